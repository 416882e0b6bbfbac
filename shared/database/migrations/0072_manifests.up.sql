-- The digest of what a manifest has of a snapshot's body: the manifest without the files that exports make. Null where
-- an older version or requests wrote it.
ALTER TABLE snapshots ADD COLUMN content_sha256 bytea;
-- The files that the archive has beside the body, as JSON, and the digest of its manifest. No documents: an older
-- version made the archive. No digest: the archive has many files, and nobody has asked for the manifest yet.
ALTER TABLE archives ADD COLUMN documents text, ADD COLUMN manifest_sha256 bytea;
