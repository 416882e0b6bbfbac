-- What opens only with a key. A service of the version before finds an empty URL, to which it cannot send, and
-- leaves the delivery to a newer one; rows that it writes have what is to be sealed in the columns before.
ALTER TABLE webhooks
    DROP CONSTRAINT webhooks_secret_check,
    ALTER COLUMN url SET DEFAULT '',
    ALTER COLUMN secret SET DEFAULT '',
    -- The URL as it may be shown.
    ADD COLUMN shown_url         text,
    ADD COLUMN sealed_url        bytea,
    ADD COLUMN sealed_secret     bytea,
    ADD COLUMN sealed_old_secret bytea;
