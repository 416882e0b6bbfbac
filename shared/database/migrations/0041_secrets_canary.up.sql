-- One sealed row: a service whose key does not open it does not start.
CREATE TABLE secrets_canary (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    sealed  bytea NOT NULL
);
