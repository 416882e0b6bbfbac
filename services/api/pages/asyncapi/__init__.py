"""The description of events and commands, for other systems: AsyncAPI 3."""
