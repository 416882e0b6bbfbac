-- Jobs by the code of their error, the newest first: most have none.
CREATE INDEX jobs_of_error ON jobs (error_code, (-id)) WHERE error_code IS NOT NULL;
