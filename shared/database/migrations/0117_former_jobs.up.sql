-- An ended job whose project went stays in the lists, with the project that stands at the path since. What it was of
-- before is kept here, and says that it decides nothing about the project it is shown with.
ALTER TABLE jobs ADD COLUMN former_project_id bigint;
