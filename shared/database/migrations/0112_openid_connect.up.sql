-- Who users are at a provider of OpenID Connect: by issuer and subject, never by e-mail, which may change hands.
CREATE TABLE identities (
    issuer     text NOT NULL,
    subject    text NOT NULL,
    user_id    bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_user ON identities (user_id);

-- A session that began without a token has one of its own, whose text nobody has; it goes with the session.
ALTER TABLE tokens ADD COLUMN for_session boolean NOT NULL DEFAULT false;
CREATE INDEX tokens_for_session ON tokens (id) WHERE for_session;
