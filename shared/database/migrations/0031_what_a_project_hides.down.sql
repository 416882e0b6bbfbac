ALTER TABLE snapshots DROP COLUMN features;

-- A planner is nothing to the version before, and a guest may do less.
UPDATE memberships SET access_level = 10 WHERE access_level = 15;
ALTER TABLE memberships
    DROP CONSTRAINT memberships_access_level_check,
    ADD CONSTRAINT memberships_access_level_check CHECK (access_level IN (10, 20, 30, 40, 50));
