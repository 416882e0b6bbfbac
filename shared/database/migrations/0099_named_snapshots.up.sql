-- What exports of a snapshot are made of whose index of LFS objects does not name all that it has: another snapshot, with
-- a whole index, which goes with its base. Where ``snapshot_id`` is null the index was looked at, and names all.
CREATE TABLE named_snapshots (
    base_id     bigint PRIMARY KEY REFERENCES snapshots ON DELETE CASCADE,
    snapshot_id bigint REFERENCES snapshots ON DELETE CASCADE
);
CREATE INDEX named_snapshots_snapshot ON named_snapshots (snapshot_id);
