-- The parts of an upload in parts that its target has taken: the next attempt goes on behind them.
CREATE TABLE sent_parts (
    job_id bigint NOT NULL REFERENCES jobs ON DELETE CASCADE,
    number integer NOT NULL CHECK (number BETWEEN 1 AND 10000),
    etag   text NOT NULL CHECK (length(etag) BETWEEN 1 AND 1024),
    PRIMARY KEY (job_id, number)
);
