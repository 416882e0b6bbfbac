"""Projects: access to them, their names, and their content."""
