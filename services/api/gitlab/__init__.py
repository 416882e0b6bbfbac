"""One module for each kind of resource; a handler reads the request, calls a use case, and answers."""
