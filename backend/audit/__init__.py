"""Every change, in order, checkable by a stranger."""
