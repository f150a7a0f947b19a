-- name: put
-- A piece of content, once; a sealed one anew, for the key that the first was sealed under may be
-- gone.
INSERT INTO blob (tenant_id, ref, codec, data) VALUES (?, ?, ?, ?)
ON CONFLICT (tenant_id, ref) DO UPDATE SET codec = excluded.codec, data = excluded.data
WHERE blob.codec LIKE '%+a256gcm';

-- name: get
SELECT codec, data FROM blob WHERE tenant_id = ? AND ref = ?;

-- name: place_of
-- The place of a request, if it has one.
SELECT place FROM searched WHERE request_id = ?;

-- name: is_taken
SELECT 1 FROM searched WHERE place = ?;

-- name: put_searched
INSERT INTO searched (place, request_id, tenant_id) VALUES (?, ?, ?);

-- name: put_words
INSERT INTO search (rowid, scope, asked, answered) VALUES (?, ?, ?, ?);

-- name: has_search
-- Whether this day's file was made, or seen by a keeper, since content can be searched.
SELECT 1 FROM sqlite_master WHERE name = 'searched';

-- name: find
-- Who wrote some words, newest first, within places.
SELECT searched.place, searched.request_id
FROM search JOIN searched ON searched.place = search.rowid
WHERE search MATCH ? AND search.rowid >= ? AND search.rowid < ?
ORDER BY search.rowid DESC LIMIT ?;

-- name: among
-- Which of the requests that a JSON list has wrote some words: one look into the index for each.
SELECT searched.request_id
FROM json_each(?) AS wanted CROSS JOIN searched ON searched.request_id = wanted.value
CROSS JOIN search ON search.rowid = searched.place
WHERE search MATCH ?;

-- name: places_of
-- The places of requests, as a JSON list has them.
SELECT place FROM searched WHERE request_id IN (SELECT value FROM json_each(?));

-- name: places_of_tenant
SELECT place FROM searched WHERE tenant_id = ? LIMIT ?;

-- name: forget_words
DELETE FROM search WHERE rowid = ?;

-- name: forget_place
DELETE FROM searched WHERE place = ?;

-- name: merge
-- Some work on making one index of many: what was deleted lies in none of it any more. A negative
-- number begins.
INSERT INTO search (search, rank) VALUES ('merge', ?);

-- name: numbers
SELECT (SELECT count(*) FROM searched), (SELECT count(*) FROM blob);

-- name: drop
DELETE FROM blob WHERE tenant_id = ? AND ref = ?;

-- name: drop_of_tenant
DELETE FROM blob WHERE rowid IN (SELECT rowid FROM blob WHERE tenant_id = ? LIMIT ?);

-- name: next_tenant
-- One step of the index.
SELECT min(tenant_id) FROM (
  SELECT min(tenant_id) AS tenant_id FROM blob WHERE tenant_id > :after
  UNION ALL SELECT min(tenant_id) FROM searched WHERE tenant_id > :after
);

-- name: of_tenant
SELECT ref, codec, data FROM blob WHERE tenant_id = ?;
