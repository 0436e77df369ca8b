"""Tools for development that are no part of what is installed."""
