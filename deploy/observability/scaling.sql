-- How many jobs want a worker, queued or running: what an autoscaler that asks Postgres itself (KEDA's
-- postgresql trigger, say) divides by CROSSDOCK_WORKER_CONCURRENCY. $1 is a list of kinds: importers work on
-- {import, relation_import}, on {remote_import}, {git_import}, {github_import} and {peer_import}, CROSSDOCK_REMOTE_IMPORT_CONCURRENCY
-- each, and on {small_import}, which CROSSDOCK_SMALL_JOB_CONCURRENCY divides; exporters on {export}, which that divides
-- as well, on {upload} and {peer_export}, which CROSSDOCK_UPLOAD_CONCURRENCY divides, and on {backup}, as on
-- {remote_import}. Of each, the largest quotient counts. Two
-- partial indexes hold just these rows.
SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND kind = ANY ($1::text[]);
