DROP INDEX jobs_of_error;
