ALTER TABLE backups DROP COLUMN relations, DROP COLUMN recipients, DROP COLUMN encryption;
ALTER TABLE schedules DROP COLUMN relations;
