-- By itself: services lock projects before namespaces and the other way round, so that a step waits for one of them.
ALTER TABLE people_maps ADD FOREIGN KEY (project_id) REFERENCES projects ON DELETE CASCADE;
