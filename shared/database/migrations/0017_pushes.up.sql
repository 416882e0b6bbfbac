-- An open snapshot that another system fills, request by request. Whoever writes into it, commits it or lets
-- it go locks this row and looks at its time first.
CREATE TABLE pushes (
    snapshot_id bigint PRIMARY KEY REFERENCES snapshots ON DELETE CASCADE,
    -- What the project's current snapshot was; not a reference, as that one may be dropped meanwhile.
    base_id     bigint,
    -- How many rows it has in entries, and the bytes of all of them.
    entries     bigint      NOT NULL DEFAULT 0,
    raw_size    bigint      NOT NULL DEFAULT 0,
    -- How often it was changed: a commit is of what it checked.
    changes     bigint      NOT NULL DEFAULT 0,
    -- What its project.json says of description and visibility, where that was sent.
    attributes  jsonb,
    -- Until when it may be written; a commit ends that at once.
    expires_at  timestamptz NOT NULL
);

-- What one request writes is a snapshot of its own until it is whole, and then part of the one it is for.
ALTER TABLE snapshots ADD COLUMN part_of bigint REFERENCES snapshots ON DELETE CASCADE;
CREATE INDEX snapshots_part_of ON snapshots (part_of);
