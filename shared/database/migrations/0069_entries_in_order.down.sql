DROP INDEX entries_object;
CREATE INDEX entries_object ON entries (object_id);
