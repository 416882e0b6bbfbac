-- A schedule with into_group fetches projects of its destination, a GitLab or a Crossdock, into that group here.
ALTER TABLE schedules ADD COLUMN into_group text;

-- A project that is fetched is known by its number there.
ALTER TABLE run_projects ADD COLUMN remote_id bigint;
ALTER TABLE run_projects ADD COLUMN last_activity_at timestamptz;

-- What schedules have fetched from, and sent to, a GitLab or a Crossdock. source_id is the number of the project where
-- it comes from, which had last_activity_at when its export was asked for.
CREATE TABLE peer_copies (
    schedule_id      bigint NOT NULL REFERENCES schedules ON DELETE CASCADE,
    source_id        bigint NOT NULL,
    path             text NOT NULL,
    remote_id        bigint,
    last_activity_at timestamptz,
    asked_at         timestamptz NOT NULL,
    PRIMARY KEY (schedule_id, source_id)
);
