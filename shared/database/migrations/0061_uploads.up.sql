-- An upload to a URL is a job of its own; its parent is the export that made the archive.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('import', 'export', 'relation_import', 'upload'));
ALTER TABLE jobs ADD COLUMN parent_id bigint REFERENCES jobs ON DELETE SET NULL;
CREATE INDEX jobs_parent ON jobs (parent_id) WHERE parent_id IS NOT NULL;
