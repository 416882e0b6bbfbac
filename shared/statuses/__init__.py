"""The statuses of imports and exports that GitLab's clients poll, each read by one statement."""
