-- Nothing here has the key. What was sealed has to be given anew; until then nothing is sent.
UPDATE webhooks SET
    url = CASE url WHEN '' THEN coalesce(shown_url, '') ELSE url END,
    secret = decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'),
    disabled_reason = 'its URL and its secret were sealed by a newer version: set both anew'
WHERE url = '' OR secret = '';
ALTER TABLE webhooks
    DROP COLUMN shown_url,
    DROP COLUMN sealed_url,
    DROP COLUMN sealed_secret,
    DROP COLUMN sealed_old_secret,
    ALTER COLUMN url DROP DEFAULT,
    ALTER COLUMN secret DROP DEFAULT,
    ADD CONSTRAINT webhooks_secret_check CHECK (length(secret) BETWEEN 24 AND 64);
