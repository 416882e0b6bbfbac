-- The CRC-32 of each MiB of an object as it is stored, 4 bytes each. Null where an older version stored it.
ALTER TABLE objects ADD COLUMN crc32s bytea;
-- Readers take a few of the checksums of a large object: not compressed, so that substr reads nothing else.
ALTER TABLE objects ALTER COLUMN crc32s SET STORAGE EXTERNAL;
