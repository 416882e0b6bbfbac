DROP INDEX jobs_overwrites;
