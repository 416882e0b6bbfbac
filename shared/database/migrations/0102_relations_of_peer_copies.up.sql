-- Which relations of a project were fetched or sent; null for all.
ALTER TABLE peer_copies ADD COLUMN relations jsonb;
