-- Archives that come by several requests (tus): each upload is a list of stored pieces.
CREATE TABLE uploads (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id        bigint REFERENCES users ON DELETE SET NULL,
    size           bigint CHECK (size >= 0),
    received       bigint NOT NULL DEFAULT 0 CHECK (received >= 0 AND received <= size),
    metadata       text NOT NULL DEFAULT '' CHECK (length(metadata) <= 4096),
    is_partial     boolean NOT NULL DEFAULT false,
    epoch          bigint NOT NULL DEFAULT 0,
    writer         bigint,
    writer_seen_at timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL,
    used_at        timestamptz
);
CREATE INDEX uploads_user ON uploads (user_id, id);
CREATE INDEX uploads_unused ON uploads (expires_at) WHERE used_at IS NULL;
CREATE INDEX uploads_used ON uploads (used_at) WHERE used_at IS NOT NULL;

CREATE TABLE upload_pieces (
    upload_id  bigint NOT NULL REFERENCES uploads ON DELETE CASCADE,
    "position" bigint NOT NULL CHECK ("position" >= 0),
    size       bigint NOT NULL CHECK (size > 0),
    object_id  bigint NOT NULL REFERENCES objects,
    PRIMARY KEY (upload_id, "position")
);
CREATE INDEX upload_pieces_object ON upload_pieces (object_id);

ALTER TABLE jobs ADD COLUMN upload_id bigint REFERENCES uploads ON DELETE SET NULL;
CREATE INDEX jobs_upload ON jobs (upload_id) WHERE upload_id IS NOT NULL;
