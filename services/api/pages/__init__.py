"""What a person sees in a browser: signing in, a download, the documentation of the API."""
