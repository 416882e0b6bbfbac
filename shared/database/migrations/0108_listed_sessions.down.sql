ALTER TABLE web_sessions
    DROP COLUMN id, DROP COLUMN last_used_at, DROP COLUMN renewed_at, DROP COLUMN former, DROP COLUMN address,
    DROP COLUMN browser;
