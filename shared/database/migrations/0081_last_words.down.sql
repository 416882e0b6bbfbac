DROP TABLE last_words;
