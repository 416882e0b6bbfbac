-- The stable code of the error that stands in the column error.
ALTER TABLE jobs ADD COLUMN error_code text;
