-- In the order in which services lock these tables: DROP TABLE has one of its own, in which both could wait forever.
ALTER TABLE sent_parts DROP CONSTRAINT sent_parts_job_id_fkey;
DROP TABLE sent_parts;
