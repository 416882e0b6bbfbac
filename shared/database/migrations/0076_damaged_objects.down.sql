-- Of blobs with one digest a single one may be stored: a damaged one loses its digest.
UPDATE objects SET state = 'stored', sha256 = CASE WHEN kind <> 'blob' THEN sha256 END WHERE state = 'damaged';
ALTER TABLE objects DROP CONSTRAINT objects_state_check;
ALTER TABLE objects ADD CONSTRAINT objects_state_check
    CHECK (state IN ('writing', 'stored', 'deleting'));
