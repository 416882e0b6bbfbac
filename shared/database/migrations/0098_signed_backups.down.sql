ALTER TABLE backups DROP COLUMN signature;
