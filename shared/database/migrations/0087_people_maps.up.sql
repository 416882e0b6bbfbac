-- Who people are at the GitLab that exports are for: rows as JSON, of a project, or of all projects in a namespace.
CREATE TABLE people_maps (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace_id bigint UNIQUE REFERENCES namespaces ON DELETE CASCADE,
    project_id   bigint UNIQUE,
    people       text NOT NULL,
    rows         integer NOT NULL,
    author       text NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(project_id, namespace_id) = 1)
);
