"""The format of GitLab's archives: names of files, project.json, relations and records, LFS."""
