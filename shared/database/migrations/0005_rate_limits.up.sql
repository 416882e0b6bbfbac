-- One row per caller and limit: how often within the current window of one minute.
CREATE UNLOGGED TABLE rate_limits (
    key        text        PRIMARY KEY,
    window_end timestamptz NOT NULL,
    used       integer     NOT NULL
);
