DROP TABLE memberships, projects;
