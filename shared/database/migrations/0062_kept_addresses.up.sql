-- Jobs whose order has an address: those on their way, and for a day those that failed or were canceled.
CREATE INDEX jobs_addresses ON jobs (id)
    WHERE coalesce(payload #>> '{source,url}', payload #>> '{upload,url}') IS NOT NULL;
