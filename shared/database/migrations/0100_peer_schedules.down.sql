-- Versions before would send what such a schedule fetches.
DELETE FROM schedules s USING destinations d WHERE d.id = s.destination_id AND d.kind <> 's3';
DROP TABLE peer_copies;
ALTER TABLE run_projects DROP COLUMN last_activity_at, DROP COLUMN remote_id;
ALTER TABLE schedules DROP COLUMN into_group;
