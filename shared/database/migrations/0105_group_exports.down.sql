-- In the order in which services lock these tables: DROP TABLE has one of its own, in which both could wait forever.
ALTER TABLE group_exports DROP CONSTRAINT group_exports_namespace_id_fkey;
ALTER TABLE group_exports DROP CONSTRAINT group_exports_user_id_fkey;
DROP TABLE group_exports;
