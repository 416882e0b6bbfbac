-- The body of an archive: which stretches of which objects it is, each behind its lead. A snapshot without a
-- layout was written by an older version or by requests; its first export makes its runs.
ALTER TABLE snapshots ADD COLUMN layout smallint, ADD COLUMN body_size bigint, ADD COLUMN body_raw_size bigint,
    ADD COLUMN body_crc32 bigint, ADD COLUMN entries bigint, ADD COLUMN document bytea;
CREATE TABLE runs (
    snapshot_id bigint NOT NULL REFERENCES snapshots ON DELETE CASCADE,
    start       bigint NOT NULL,
    name        text COLLATE "C",
    lead        bytea NOT NULL,
    object_id   bigint REFERENCES objects,
    position    bigint NOT NULL,
    size        bigint NOT NULL,
    raw_size    bigint NOT NULL,
    crc32       bigint NOT NULL,
    PRIMARY KEY (snapshot_id, start),
    CHECK (size = 0 OR object_id IS NOT NULL)
);
CREATE INDEX runs_object ON runs (object_id);
