"""Pages for browsers: signing in, downloads, and the documentation of the API."""
