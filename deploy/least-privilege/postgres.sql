-- Two roles in place of one that may do everything: crossdock_owner owns the schema and migrates it,
-- crossdock_service reads and writes rows. Run it as a superuser in the database of Crossdock, before the first
-- migration or later, and as often as you like:
--   psql --dbname crossdock --file deploy/least-privilege/postgres.sql
-- Then give each a password (\password crossdock_owner), crossdock migrate the URL of the first, and the services
-- that of the second. A database that another role has migrated needs REASSIGN OWNED BY that TO crossdock_owner.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['crossdock_owner', 'crossdock_service'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', role);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO crossdock_owner;
GRANT USAGE ON SCHEMA public TO crossdock_service;

-- What is there, and what later migrations make. Identity columns need no rights to sequences.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO crossdock_service;
ALTER DEFAULT PRIVILEGES FOR ROLE crossdock_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO crossdock_service;
