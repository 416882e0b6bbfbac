-- From when on an exporter may read the archive for its SHA-256, where it is to: later than now while one does.
ALTER TABLE archives ADD COLUMN read_after timestamptz NOT NULL DEFAULT now();
CREATE INDEX archives_unread ON archives (read_after) WHERE sha256 IS NULL;
