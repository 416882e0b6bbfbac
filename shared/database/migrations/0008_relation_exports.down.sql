ALTER TABLE segments DROP CONSTRAINT segments_pkey,
    ADD PRIMARY KEY (snapshot_id, name, first_line);
DROP TABLE relation_exports;
