DROP INDEX run_projects_good;
