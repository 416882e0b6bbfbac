DROP TABLE packed_files;
