DROP TABLE namespaces, tokens, users;
