DROP TRIGGER place_project ON projects;
DROP TRIGGER place_namespace ON namespaces;
DROP FUNCTION place_project, place_namespace, lock_path;
DROP TABLE old_paths;
DROP VIEW live_memberships;
ALTER TABLE memberships DROP COLUMN created_at, DROP COLUMN expires_at;
ALTER TABLE namespaces DROP COLUMN description;
ALTER TABLE projects DROP COLUMN archived;
