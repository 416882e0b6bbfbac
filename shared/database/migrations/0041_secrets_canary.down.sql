DROP TABLE secrets_canary;
