-- How often in a row a webhook gave no answer in time.
ALTER TABLE webhooks ADD COLUMN timeouts integer NOT NULL DEFAULT 0;
