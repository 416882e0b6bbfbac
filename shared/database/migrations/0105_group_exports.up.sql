-- Exports of groups that users have asked for. The archive is made when it is downloaded, so that a row is all there is.
CREATE TABLE group_exports (
    namespace_id bigint NOT NULL REFERENCES namespaces ON DELETE CASCADE,
    user_id      bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (namespace_id, user_id)
);
CREATE INDEX group_exports_user ON group_exports (user_id);
CREATE INDEX group_exports_expires ON group_exports (expires_at);
