-- What archives of groups have that has no place of its own here: the attributes of a group, and its relations line by
-- line, so that an export gives them again.
CREATE TABLE group_documents (
    namespace_id bigint PRIMARY KEY REFERENCES namespaces ON DELETE CASCADE,
    document     bytea NOT NULL
);
CREATE TABLE group_lines (
    namespace_id bigint NOT NULL REFERENCES namespaces ON DELETE CASCADE,
    relation     text NOT NULL,
    number       int NOT NULL,
    line         bytea NOT NULL,
    PRIMARY KEY (namespace_id, relation, number)
);
