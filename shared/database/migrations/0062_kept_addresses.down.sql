DROP INDEX jobs_addresses;
