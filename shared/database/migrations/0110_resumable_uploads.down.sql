-- In the order in which services lock these tables.
ALTER TABLE jobs DROP COLUMN upload_id;
ALTER TABLE upload_pieces DROP CONSTRAINT upload_pieces_object_id_fkey;
ALTER TABLE upload_pieces DROP CONSTRAINT upload_pieces_upload_id_fkey;
DROP TABLE upload_pieces;
ALTER TABLE uploads DROP CONSTRAINT uploads_user_id_fkey;
DROP TABLE uploads;
