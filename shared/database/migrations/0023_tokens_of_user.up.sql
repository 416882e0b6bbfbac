-- The tokens of a user are counted before another one is created.
CREATE INDEX tokens_user ON tokens (user_id);
