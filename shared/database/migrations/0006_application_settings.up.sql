-- What an administrator changed of the instance's settings; the environment says the rest.
CREATE TABLE application_settings (
    name       text        PRIMARY KEY,
    value      jsonb       NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
