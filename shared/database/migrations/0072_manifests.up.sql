-- The SHA-256 of the lines of a manifest that are of the files in a snapshot's body. Null where an older version or
-- requests wrote it, until somebody asks.
ALTER TABLE snapshots ADD COLUMN content_sha256 bytea;
-- The first line of a manifest begins with that; the files that the archive has beside the body, as it has them, and
-- its SHA-256. No documents: an older version made the archive. No digest: nobody has asked for that of the content.
ALTER TABLE archives ADD COLUMN documents text, ADD COLUMN manifest_sha256 bytea;
