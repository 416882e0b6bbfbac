DROP TABLE archives, failed_relations, jobs;
