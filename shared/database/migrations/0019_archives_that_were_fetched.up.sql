-- An archive that an import fetched, or was handed without a digest, is told of with the import's outcome.
CREATE OR REPLACE FUNCTION archive_of_job(job jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT archive FROM (
        SELECT job.outcome -> 'archive' AS archive, 1 AS rank WHERE jsonb_typeof(job.outcome -> 'archive') = 'object'
        UNION ALL SELECT jsonb_build_object('size', size, 'sha256', encode(sha256, 'hex')), 2
        FROM archives WHERE job_id = job.id
        UNION ALL SELECT jsonb_build_object('size', size, 'sha256', encode(sha256, 'hex')), 3
        FROM objects WHERE id = job.object_id) found ORDER BY rank LIMIT 1
$$;
