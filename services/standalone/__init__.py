"""All services in one process, with nothing to install but Python."""
