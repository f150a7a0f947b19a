-- name: put
-- A piece of content, once.
INSERT INTO blob (tenant_id, ref, codec, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

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
