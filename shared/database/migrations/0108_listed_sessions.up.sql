-- Sessions are listed and revoked one by one, and get a new secret now and then. Requests that are on their
-- way with the former one still count for a minute.
ALTER TABLE web_sessions
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN renewed_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN former bytea UNIQUE CHECK (length(former) = 32),
    ADD COLUMN address text,
    ADD COLUMN browser text;
