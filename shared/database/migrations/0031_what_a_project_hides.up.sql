-- 15 is GitLab's planner.
ALTER TABLE memberships
    DROP CONSTRAINT memberships_access_level_check,
    ADD CONSTRAINT memberships_access_level_check CHECK (access_level IN (10, 15, 20, 30, 40, 50));
