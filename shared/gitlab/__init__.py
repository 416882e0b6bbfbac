"""The format of GitLab archives: files and their names, project.json, relations and records, LFS."""
