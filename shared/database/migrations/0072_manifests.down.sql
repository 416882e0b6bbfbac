ALTER TABLE archives DROP COLUMN documents, DROP COLUMN manifest_sha256;
ALTER TABLE snapshots DROP COLUMN content_sha256;
