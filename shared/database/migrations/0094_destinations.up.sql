-- Where a user has archives sent, by a schedule: kind says what is there, settings where that is. The credentials
-- are sealed for the user, and go with the row.
CREATE TABLE destinations (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id            bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name               text NOT NULL,
    kind               text NOT NULL,
    settings           jsonb NOT NULL,
    sealed_credentials bytea NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX destinations_name ON destinations (user_id, lower(name));
