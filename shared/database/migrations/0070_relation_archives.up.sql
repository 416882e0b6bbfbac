-- What is known of the archives of single relations, so that each is laid out once to be described.
ALTER TABLE relation_exports ADD COLUMN archives jsonb NOT NULL DEFAULT '{}';
