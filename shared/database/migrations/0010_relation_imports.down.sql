DELETE FROM jobs WHERE kind = 'relation_import';
DROP INDEX jobs_relation_import;
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('import', 'export'));
