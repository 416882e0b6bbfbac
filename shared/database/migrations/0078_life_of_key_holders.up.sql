-- The sign of life of the process whose request holds a key (shared/idempotency/life.py).
ALTER TABLE idempotency_keys ADD COLUMN life integer;
