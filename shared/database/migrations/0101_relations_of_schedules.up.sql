-- Which relations a schedule takes of each project, as exports do; null for all. What an archive of it has of its
-- project, for whom it is encrypted, as its name was reserved, and what is stored then instead of the archive.
ALTER TABLE schedules ADD COLUMN relations jsonb;
ALTER TABLE backups ADD COLUMN relations jsonb, ADD COLUMN recipients text[] NOT NULL DEFAULT '{}',
    ADD COLUMN encryption jsonb;
