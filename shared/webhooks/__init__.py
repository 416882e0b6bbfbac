"""Events as signed HTTP requests: Standard Webhooks (standardwebhooks.com), with CloudEvents as bodies."""
