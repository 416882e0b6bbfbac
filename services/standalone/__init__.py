"""The standalone form: all services in one process, without other servers."""
