-- What a finished job's user may ask for beside its result: how the upload of an export went.
ALTER TABLE jobs ADD COLUMN outcome jsonb;
