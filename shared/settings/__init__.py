"""Settings: those of the environment, and those that an administrator changes while services run."""
