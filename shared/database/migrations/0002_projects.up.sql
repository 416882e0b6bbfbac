CREATE TABLE projects (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace_id bigint      NOT NULL REFERENCES namespaces ON DELETE CASCADE,
    creator_id   bigint      REFERENCES users ON DELETE SET NULL,
    path         text        NOT NULL,
    name         text        NOT NULL,
    description  text,
    visibility   smallint    NOT NULL DEFAULT 0 CHECK (visibility IN (0, 10, 20)),
    -- What wins over the archive's tree/project.json when the project is read or exported.
    overrides    jsonb       NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX projects_path ON projects (namespace_id, lower(path));
CREATE UNIQUE INDEX projects_name ON projects (namespace_id, name);

-- Access levels are GitLab's: 10 guest, 20 reporter, 30 developer, 40 maintainer, 50 owner.
CREATE TABLE memberships (
    user_id      bigint   NOT NULL REFERENCES users ON DELETE CASCADE,
    namespace_id bigint   REFERENCES namespaces ON DELETE CASCADE,
    project_id   bigint   REFERENCES projects ON DELETE CASCADE,
    access_level smallint NOT NULL CHECK (access_level IN (10, 20, 30, 40, 50)),
    CHECK (num_nonnulls(namespace_id, project_id) = 1),
    UNIQUE (user_id, namespace_id),
    UNIQUE (user_id, project_id)
);
CREATE INDEX memberships_namespace ON memberships (namespace_id);
CREATE INDEX memberships_project ON memberships (project_id);
