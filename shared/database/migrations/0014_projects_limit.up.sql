-- How many projects a user may have in the namespace of his own; GitLab's default.
ALTER TABLE users ADD COLUMN projects_limit integer NOT NULL DEFAULT 100000 CHECK (projects_limit >= 0);
