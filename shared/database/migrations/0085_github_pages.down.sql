DROP TABLE github_pages;
