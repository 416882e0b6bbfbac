"""GitLab's API, one module for each kind of resource. Handlers parse the request and call a use case."""
