ALTER TABLE webhooks DROP COLUMN timeouts;
