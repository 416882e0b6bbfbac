-- Objects that the collector is to look at: new ones, and those that have lost a reference. It forgets those that
-- something refers to, so that its costs do not grow with what is stored (shared/ledger/suspects.py). An object may
-- be there several times; rows of objects that are gone do no harm, and no key is checked for millions of them.
CREATE TABLE suspects (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object_id bigint NOT NULL,
    due_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX suspects_due ON suspects (due_at);
INSERT INTO suspects (object_id) SELECT id FROM objects;
