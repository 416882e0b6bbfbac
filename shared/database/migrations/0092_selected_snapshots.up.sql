-- What an export of some relations of a snapshot is made of: another snapshot, without what has that digest. It goes
-- with its base, or as soon as one for another selection has taken its place.
CREATE TABLE selected_snapshots (
    base_id     bigint PRIMARY KEY REFERENCES snapshots ON DELETE CASCADE,
    digest      bytea NOT NULL,
    snapshot_id bigint NOT NULL REFERENCES snapshots ON DELETE CASCADE
);
CREATE INDEX selected_snapshots_snapshot ON selected_snapshots (snapshot_id);
