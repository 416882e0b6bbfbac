-- Entries are read in the order of an object, and not only looked for.
DROP INDEX entries_object;
CREATE INDEX entries_object ON entries (object_id, position);
