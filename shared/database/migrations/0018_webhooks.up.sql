-- Where other systems want to be told of events by HTTP: those of one project, or of all.
CREATE TABLE webhooks (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id       bigint      REFERENCES projects ON DELETE CASCADE,
    url              text        NOT NULL,
    -- Names of events, such as import.finished; one half of a name, or all of it, may be an asterisk.
    events           text[]      NOT NULL,
    description      text        NOT NULL DEFAULT '',
    secret           bytea       NOT NULL CHECK (length(secret) BETWEEN 24 AND 64),
    -- The secret before, which signs as well until then.
    old_secret       bytea,
    old_secret_until timestamptz,
    -- Why nothing is sent any more.
    disabled_reason  text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    -- How often in a row it did not take what was sent, since when, and until when it is left in peace.
    failures         integer     NOT NULL DEFAULT 0,
    failing_since    timestamptz,
    resume_at        timestamptz NOT NULL DEFAULT now(),
    -- Who sends to it now, and until when that is believed.
    sender           uuid,
    sending_until    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhooks_project ON webhooks (project_id, id);

CREATE TABLE webhook_deliveries (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id  bigint      NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    job_id      bigint      NOT NULL,
    -- The row of events as it was written, as that of progress gives way to the next.
    event       jsonb       NOT NULL,
    state       text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    -- The last tries, each with its time, status, seconds and error, and how many count towards giving up.
    attempts    jsonb       NOT NULL DEFAULT '[]',
    tries       integer     NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL DEFAULT now(),
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at, id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_of_job ON webhook_deliveries (webhook_id, job_id, id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_at);

-- With its event, in the transaction of the move. A webhook that is being deleted gets nothing more, and
-- nothing waits for it: no move may fail or stand still for a webhook.
CREATE FUNCTION deliver_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text := split_part(NEW.name, '.', 1);
    told text := split_part(NEW.name, '.', 2);
BEGIN
    IF told = 'progress' THEN
        DELETE FROM webhook_deliveries WHERE id IN (
            SELECT d.id FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id
            WHERE d.job_id = NEW.job_id AND d.state = 'pending' AND d.tries = 0 AND d.event ->> 'name' = NEW.name
            FOR UPDATE OF d SKIP LOCKED);
    END IF;
    INSERT INTO webhook_deliveries (webhook_id, job_id, event)
    SELECT id, NEW.job_id, to_jsonb(NEW) - 'published_at' FROM webhooks
    WHERE disabled_reason IS NULL AND (project_id IS NULL OR project_id = NEW.project_id)
      AND events && ARRAY[NEW.name, kind || '.*', '*.' || told, '*']
    FOR KEY SHARE SKIP LOCKED;
    RETURN NULL;
END
$$;
CREATE TRIGGER deliver_event AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION deliver_event();
