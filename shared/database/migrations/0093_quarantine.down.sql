DROP TABLE quarantined_lines;
