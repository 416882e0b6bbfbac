-- In the order in which services lock these tables.
ALTER TABLE direct_uploads DROP CONSTRAINT direct_uploads_object_id_fkey;
ALTER TABLE direct_uploads DROP CONSTRAINT direct_uploads_upload_id_fkey;
DROP TABLE direct_uploads;
