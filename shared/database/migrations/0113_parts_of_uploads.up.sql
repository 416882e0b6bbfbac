-- What an upload was made of, which its protocol repeats; the parts themselves may be gone.
ALTER TABLE uploads ADD COLUMN parts bigint[];
