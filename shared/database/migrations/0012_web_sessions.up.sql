-- Who has signed in with a browser, and by which token: a session ends with it at the latest.
-- Only the SHA-256 of a session's secret is kept.
CREATE TABLE web_sessions (
    digest     bytea       PRIMARY KEY CHECK (length(digest) = 32),
    token_id   bigint      NOT NULL REFERENCES tokens ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX web_sessions_token ON web_sessions (token_id);
CREATE INDEX web_sessions_expiry ON web_sessions (expires_at);
