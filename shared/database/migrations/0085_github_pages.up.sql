-- What an import from GitHub has fetched, page by page, so that it goes on where it was. A page without a body has its
-- items in pages of other lists. The body is compressed already.
CREATE TABLE github_pages (
    job_id  bigint NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    list    text COLLATE "C" NOT NULL,
    page    integer NOT NULL,
    cursor  text NOT NULL,
    next    text,
    etag    text,
    items   integer NOT NULL,
    size    integer NOT NULL,
    fetched jsonb NOT NULL,
    error   text,
    body    bytea,
    PRIMARY KEY (job_id, list, page)
);
ALTER TABLE github_pages ALTER COLUMN body SET STORAGE EXTERNAL;
