DROP INDEX archives_etag;
