-- Uploads whose bytes go into the store past our services, as parts, by presigned addresses.
CREATE TABLE direct_uploads (
    upload_id bigint PRIMARY KEY REFERENCES uploads ON DELETE CASCADE,
    object_id bigint NOT NULL REFERENCES objects,
    part_size bigint NOT NULL CHECK (part_size > 0),
    write_id  text,
    sha256    bytea CHECK (length(sha256) = 32)
);
CREATE INDEX direct_uploads_object ON direct_uploads (object_id);
