"""The control room's use cases: release a plan, override a stop, what needs a person, attempts."""
