-- An import from a server elsewhere is a kind of its own, with slots of its own. Those that are queued stay imports:
-- services of the version before know no other, and importers of this one do them as well.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import'));
