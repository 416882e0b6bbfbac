DROP TABLE scrub;
