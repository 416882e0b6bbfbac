"""The settings of the instance that an administrator changes while it runs."""
