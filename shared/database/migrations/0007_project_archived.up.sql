ALTER TABLE projects ADD COLUMN archived boolean NOT NULL DEFAULT false;
ALTER TABLE namespaces ADD COLUMN description text NOT NULL DEFAULT '';

ALTER TABLE memberships
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
    -- The first day (UTC) on which it does not hold any more.
    ADD COLUMN expires_at date;
CREATE VIEW live_memberships AS
    SELECT user_id, namespace_id, project_id, access_level, created_at, expires_at FROM memberships
    WHERE expires_at IS NULL OR expires_at > (now() AT TIME ZONE 'UTC')::date;

-- Full paths, in lower case, that projects had once: whoever asks by one is told where it is now.
CREATE TABLE old_paths (
    full_path  text   PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES projects ON DELETE CASCADE
);
CREATE INDEX old_paths_project ON old_paths (project_id);

-- A project and a group cannot have one full path. Both take this lock before they look for the other:
-- whoever comes second sees what the first one has committed.
CREATE FUNCTION lock_path(namespace_id bigint, path text) RETURNS void LANGUAGE sql AS
    $$ SELECT pg_advisory_xact_lock(hashtextextended(namespace_id || '/' || lower(path), 0)) $$;

CREATE FUNCTION place_namespace() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parent namespaces;
BEGIN
    IF NEW.parent_id IS NOT NULL THEN
        PERFORM lock_path(NEW.parent_id, NEW.path);
        IF EXISTS (SELECT FROM projects p
                   WHERE p.namespace_id = NEW.parent_id AND lower(p.path) = lower(NEW.path)) THEN
            RAISE unique_violation USING CONSTRAINT = 'full_path', MESSAGE = 'a project has this full path';
        END IF;
        -- A group that is renamed holds this lock alone, so that no new group misses its new path.
        PERFORM pg_advisory_xact_lock_shared(hashtext('crossdock.namespaces'));
        SELECT * INTO parent FROM namespaces n WHERE n.id = NEW.parent_id;
    END IF;
    NEW.full_path := concat_ws('/', parent.full_path, NEW.path);
    NEW.full_name := concat_ws(' / ', parent.full_name, NEW.name);
    RETURN NEW;
END
$$;
CREATE TRIGGER place_namespace BEFORE INSERT OR UPDATE OF parent_id, path, name ON namespaces
    FOR EACH ROW EXECUTE FUNCTION place_namespace();

CREATE FUNCTION place_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_path(NEW.namespace_id, NEW.path);
    IF EXISTS (SELECT FROM namespaces n
               WHERE n.parent_id = NEW.namespace_id AND lower(n.path) = lower(NEW.path)) THEN
        RAISE unique_violation USING CONSTRAINT = 'full_path', MESSAGE = 'a group has this full path';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER place_project BEFORE INSERT OR UPDATE OF namespace_id, path ON projects
    FOR EACH ROW EXECUTE FUNCTION place_project();
