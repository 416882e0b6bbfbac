-- Who appears in a snapshot, by the ids of the server that its records come from, and in how many records of each
-- kind. Counted when somebody first asks; "people" is how many they are, null where nobody has asked.
CREATE TABLE snapshot_people (
    snapshot_id  bigint NOT NULL REFERENCES snapshots ON DELETE CASCADE,
    source_id    bigint NOT NULL,
    username     text,
    name         text,
    public_email text,
    records      jsonb NOT NULL,
    PRIMARY KEY (snapshot_id, source_id)
);
ALTER TABLE snapshots ADD COLUMN people bigint;
