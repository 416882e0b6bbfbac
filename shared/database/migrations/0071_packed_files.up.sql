-- Stretches of packs that requests wrote, each with files of a snapshot between their headers and padding. A row
-- whose files are not all entries any more has no meaning, and goes with its snapshot or its pack.
CREATE TABLE packed_files (
    snapshot_id bigint NOT NULL REFERENCES snapshots ON DELETE CASCADE,
    object_id   bigint NOT NULL REFERENCES objects ON DELETE CASCADE,
    position    bigint NOT NULL,
    size        bigint NOT NULL,
    raw_size    bigint NOT NULL,
    crc32       bigint NOT NULL,
    files       bigint NOT NULL,
    PRIMARY KEY (snapshot_id, object_id, position)
);
CREATE INDEX packed_files_object ON packed_files (object_id);
