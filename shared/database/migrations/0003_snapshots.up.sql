-- Every object in object storage has its row here before its first byte is sent, so that nothing
-- in the store is without a name. A row that nobody refers to, and that nobody touched for the
-- collector's grace time, is garbage.
CREATE TABLE objects (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        text        NOT NULL UNIQUE,
    kind       text        NOT NULL CHECK (kind IN ('upload', 'pack', 'blob', 'archive')),
    state      text        NOT NULL DEFAULT 'writing' CHECK (state IN ('writing', 'stored', 'deleting')),
    size       bigint,
    sha256     bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    touched_at timestamptz NOT NULL DEFAULT now(),
    CHECK (state <> 'stored' OR size IS NOT NULL)
);
CREATE UNIQUE INDEX objects_blob ON objects (sha256) WHERE kind = 'blob' AND state = 'stored';
CREATE INDEX objects_touched ON objects (touched_at);

-- A snapshot is open while an import writes it, and seen by nobody before it is committed.
CREATE TABLE snapshots (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id   bigint      NOT NULL REFERENCES projects ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    committed_at timestamptz
);
CREATE INDEX snapshots_project ON snapshots (project_id);
ALTER TABLE projects ADD COLUMN snapshot_id bigint REFERENCES snapshots ON DELETE SET NULL;
CREATE INDEX projects_snapshot ON projects (snapshot_id);

-- Names are compared byte by byte: that is the order of the entries in an exported archive.
CREATE TABLE entries (
    snapshot_id bigint   NOT NULL REFERENCES snapshots ON DELETE CASCADE,
    name        text     COLLATE "C" NOT NULL,
    kind        text     NOT NULL CHECK (kind IN ('directory', 'relation', 'blob')),
    mtime       bigint   NOT NULL,
    object_id   bigint   REFERENCES objects,
    position    bigint   NOT NULL DEFAULT 0,
    stored_size bigint   NOT NULL DEFAULT 0,
    raw_size    bigint   NOT NULL DEFAULT 0,
    crc32       bigint   NOT NULL DEFAULT 0,
    sha256      bytea,
    lines       bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (snapshot_id, name),
    CHECK (raw_size = 0 OR object_id IS NOT NULL)
);
CREATE INDEX entries_object ON entries (object_id);

-- Segments of relations: what a page of records, a batch or a retry needs to start in the middle.
CREATE TABLE segments (
    snapshot_id bigint NOT NULL REFERENCES snapshots ON DELETE CASCADE,
    name        text   COLLATE "C" NOT NULL,
    first_line  bigint NOT NULL,
    lines       bigint NOT NULL,
    position    bigint NOT NULL,
    stored_size bigint NOT NULL,
    raw_size    bigint NOT NULL,
    crc32       bigint NOT NULL,
    PRIMARY KEY (snapshot_id, name, first_line)
);
