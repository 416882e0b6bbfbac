-- What a user asked to export relation by relation: the snapshot at rest is the export, and is kept for it.
CREATE TABLE relation_exports (
    project_id  bigint      NOT NULL REFERENCES projects ON DELETE CASCADE,
    user_id     bigint      NOT NULL REFERENCES users ON DELETE CASCADE,
    -- None where the project has no content.
    snapshot_id bigint      REFERENCES snapshots ON DELETE CASCADE,
    batched     boolean     NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX relation_exports_user ON relation_exports (user_id);
CREATE INDEX relation_exports_snapshot ON relation_exports (snapshot_id);

-- A segment of nothing but null has no record, so that the next one begins with the same.
ALTER TABLE segments DROP CONSTRAINT segments_pkey,
    ADD PRIMARY KEY (snapshot_id, name, first_line, position);
