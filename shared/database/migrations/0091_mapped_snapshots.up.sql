-- What exports of a snapshot with a map of people are made of: another snapshot, for the map with that digest. It goes
-- with its base, or as soon as one for another map has taken its place.
CREATE TABLE mapped_snapshots (
    base_id     bigint PRIMARY KEY REFERENCES snapshots ON DELETE CASCADE,
    digest      bytea NOT NULL,
    snapshot_id bigint NOT NULL REFERENCES snapshots ON DELETE CASCADE
);
CREATE INDEX mapped_snapshots_snapshot ON mapped_snapshots (snapshot_id);
