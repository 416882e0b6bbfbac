-- Archives of the same bytes have the same entity tag, and the SHA-256 that is taken of one of them.
CREATE INDEX archives_etag ON archives (etag);
