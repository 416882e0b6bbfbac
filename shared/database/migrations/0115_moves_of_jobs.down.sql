ALTER TABLE jobs DROP COLUMN canceled_by, DROP COLUMN retry_of;
