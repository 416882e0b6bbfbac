CREATE OR REPLACE FUNCTION archive_of_job(job jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('size', size, 'sha256', encode(sha256, 'hex')) FROM (
        SELECT size, sha256 FROM archives WHERE job_id = job.id
        UNION ALL SELECT size, sha256 FROM objects WHERE id = job.object_id) archive LIMIT 1
$$;
