ALTER TABLE users DROP COLUMN projects_limit;
