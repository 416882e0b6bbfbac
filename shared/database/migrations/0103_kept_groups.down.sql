DROP TABLE group_lines;
DROP TABLE group_documents;
