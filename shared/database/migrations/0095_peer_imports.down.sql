-- Versions before have no such import, and cannot read its order: a queued one fails there, as no repository is at its
-- address.
DROP TABLE peer_transfers;
UPDATE jobs SET kind = 'git_import', published_at = NULL,
       payload = CASE WHEN jsonb_typeof(payload->'source') = 'object'
                      THEN jsonb_set(payload, '{source,form}', '"git"') ELSE payload END
WHERE kind = 'peer_import';
DELETE FROM job_turns WHERE kind = 'peer_import';
DELETE FROM job_workers WHERE kind = 'peer_import';
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check, ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('import', 'export', 'relation_import', 'upload', 'remote_import', 'small_import', 'git_import',
                    'github_import'));
