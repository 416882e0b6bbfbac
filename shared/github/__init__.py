"""Reads repositories of GitHub, and makes GitLab's records of them."""
