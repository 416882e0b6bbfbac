CREATE TABLE users (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username   text        NOT NULL,
    name       text        NOT NULL,
    email      text,
    is_admin   boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_username ON users (lower(username));

-- Only the SHA-256 of a token is kept: who reads this table can log in nowhere.
CREATE TABLE tokens (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint      NOT NULL REFERENCES users ON DELETE CASCADE,
    name       text        NOT NULL,
    digest     bytea       NOT NULL UNIQUE CHECK (length(digest) = 32),
    scopes     text[]      NOT NULL DEFAULT '{api}',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

-- A personal namespace has an owner and no parent; a group has no owner and may have a parent.
CREATE TABLE namespaces (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text        NOT NULL CHECK (kind IN ('user', 'group')),
    parent_id  bigint      REFERENCES namespaces ON DELETE CASCADE,
    owner_id   bigint      UNIQUE REFERENCES users ON DELETE CASCADE,
    path       text        NOT NULL,
    name       text        NOT NULL,
    full_path  text        NOT NULL,
    full_name  text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'user') = (owner_id IS NOT NULL)),
    CHECK (kind = 'group' OR parent_id IS NULL)
);
CREATE UNIQUE INDEX namespaces_full_path ON namespaces (lower(full_path));
CREATE INDEX namespaces_parent ON namespaces (parent_id);
