DROP TRIGGER limit_visibility ON namespaces;
DROP FUNCTION limit_visibility();
ALTER TABLE namespaces DROP COLUMN visibility;
ALTER TABLE users DROP COLUMN bot;
