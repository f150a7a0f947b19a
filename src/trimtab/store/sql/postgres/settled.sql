-- name: known
-- Which of the ids in a JSON list were added up.
SELECT request_id FROM settled WHERE request_id IN (SELECT value FROM json_array_elements_text(?));

-- name: known_annotations
-- Which scores of a JSON list were counted.
SELECT request_id FROM settled WHERE request_id IN (SELECT value FROM json_array_elements_text(?));

-- name: settle
-- A score was counted.
INSERT INTO settled (request_id) VALUES (?) ON CONFLICT DO NOTHING;

-- name: forget
-- What is not told again. A few at a time; who else does it is not waited for.
DELETE FROM settled WHERE request_id IN (
  SELECT request_id FROM settled WHERE settled_at < now() - INTERVAL '7 days'
  ORDER BY settled_at LIMIT 2000 FOR UPDATE SKIP LOCKED
);

-- name: still_due
-- Which requests of a JSON list are still to be made findable; they are, until this transaction ends.
SELECT request_id FROM search_due
WHERE request_id IN (SELECT value FROM json_array_elements_text(?)) ORDER BY request_id FOR SHARE;
