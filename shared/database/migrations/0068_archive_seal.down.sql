ALTER TABLE archives DROP COLUMN read_after;
