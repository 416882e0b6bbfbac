ALTER TABLE relation_exports DROP COLUMN archives;
