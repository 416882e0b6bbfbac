DELETE FROM tokens WHERE for_session;
ALTER TABLE tokens DROP COLUMN for_session;
DROP TABLE identities;
