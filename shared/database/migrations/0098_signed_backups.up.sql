-- By what the server has signed the manifest of an archive, which the catalogue of the place tells too.
ALTER TABLE backups ADD COLUMN signature bytea;
