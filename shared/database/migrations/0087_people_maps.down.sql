DROP TABLE people_maps;
