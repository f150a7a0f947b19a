-- INSERT OR REPLACE removes the row in its way, and asks no trigger of DELETE.
CREATE TRIGGER change_is_new BEFORE INSERT ON change
WHEN EXISTS (SELECT 1 FROM change WHERE change_id = NEW.change_id)
BEGIN SELECT RAISE(ABORT, 'the change log is append-only'); END;

CREATE TRIGGER reading_is_new BEFORE INSERT ON reading
WHEN EXISTS (SELECT 1 FROM reading WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
