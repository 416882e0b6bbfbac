-- A bot is a user that has a namespace and may not put anything into it.
ALTER TABLE users ADD COLUMN bot boolean NOT NULL DEFAULT false;

-- GitLab's levels; a user's own namespace limits nothing.
ALTER TABLE namespaces ADD COLUMN visibility smallint NOT NULL DEFAULT 0 CHECK (visibility IN (0, 10, 20));
UPDATE namespaces SET visibility = 20 WHERE kind = 'user';
ALTER TABLE namespaces ADD CHECK (kind = 'group' OR visibility = 20);

-- No group is more visible than the one above it. Who changes a group holds the lock of place_namespace
-- alone, and looks at what is below it.
CREATE FUNCTION limit_visibility() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    above smallint;
BEGIN
    IF NEW.parent_id IS NULL THEN
        NEW.visibility := CASE NEW.kind WHEN 'user' THEN 20 ELSE NEW.visibility END;
        RETURN NEW;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtext('crossdock.namespaces'));
    SELECT n.visibility INTO above FROM namespaces n WHERE n.id = NEW.parent_id;
    IF NEW.visibility > above THEN
        RAISE check_violation USING CONSTRAINT = 'visibility_of_parent', MESSAGE = 'the parent is less visible',
            DETAIL = above;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER limit_visibility BEFORE INSERT OR UPDATE OF parent_id, visibility ON namespaces
    FOR EACH ROW EXECUTE FUNCTION limit_visibility();
