DROP INDEX jobs_of_kind;
