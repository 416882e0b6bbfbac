-- When a project was last backed up well, for the ages of backups.
CREATE INDEX run_projects_good ON run_projects (project_id, finished_at) WHERE state IN ('done', 'skipped');
