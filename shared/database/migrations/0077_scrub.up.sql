-- How far the leader has read the store, so that the next one goes on there: the object that is read next, and the
-- byte from which it is. began_at and findings are those of the pass that is under way, or was the last.
CREATE TABLE scrub (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    object_id bigint NOT NULL DEFAULT 0,
    position bigint NOT NULL DEFAULT 0,
    began_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    findings bigint NOT NULL DEFAULT 0
);
