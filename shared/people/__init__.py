"""Who the people of another server are at the GitLab that an archive is for, by a map. Without I/O."""
