-- The levels of the project's features, by name, as the snapshot's record has them; NULL where they were not read.
ALTER TABLE snapshots ADD COLUMN features jsonb;

-- 15 is GitLab's planner.
ALTER TABLE memberships
    DROP CONSTRAINT memberships_access_level_check,
    ADD CONSTRAINT memberships_access_level_check CHECK (access_level IN (10, 15, 20, 30, 40, 50));
