DROP TABLE runs;
ALTER TABLE snapshots DROP COLUMN layout, DROP COLUMN body_size, DROP COLUMN body_raw_size,
    DROP COLUMN body_crc32, DROP COLUMN entries, DROP COLUMN document;
