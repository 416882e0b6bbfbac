-- Whom administrators have shut out: tokens and sessions of a blocked user do not count.
ALTER TABLE users ADD COLUMN blocked boolean NOT NULL DEFAULT false;
