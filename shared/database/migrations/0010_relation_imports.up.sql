-- An archive's records of one relation, brought into a project that is there: one at a time.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('import', 'export', 'relation_import'));
CREATE UNIQUE INDEX jobs_relation_import ON jobs (project_id)
    WHERE kind = 'relation_import' AND state IN ('queued', 'running');
