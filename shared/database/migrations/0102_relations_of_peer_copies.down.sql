ALTER TABLE peer_copies DROP COLUMN relations;
