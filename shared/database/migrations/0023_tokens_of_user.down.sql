DROP INDEX tokens_user;
