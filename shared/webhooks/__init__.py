"""Webhooks: events as signed HTTP requests (standardwebhooks.com), whose bodies are CloudEvents."""
