"""Typed requests, read of parameters as GitLab reads them: by HTTP and by queue alike."""
