-- Clients that look for what has changed ask by this time, as at a GitLab. Until now it was that of the creation.
ALTER TABLE projects ADD COLUMN last_activity_at timestamptz NOT NULL DEFAULT now();
UPDATE projects p SET last_activity_at = greatest(
    p.created_at, (SELECT s.committed_at FROM snapshots s WHERE s.id = p.snapshot_id));
