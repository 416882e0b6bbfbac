ALTER TABLE jobs DROP COLUMN former_project_id;
