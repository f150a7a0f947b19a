-- name: put
-- A piece of content, once.
INSERT INTO blob (tenant_id, ref, codec, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: get
SELECT codec, data FROM blob WHERE tenant_id = ? AND ref = ?;

-- name: drop
DELETE FROM blob WHERE tenant_id = ? AND ref = ?;

-- name: drop_of_tenant
DELETE FROM blob WHERE rowid IN (SELECT rowid FROM blob WHERE tenant_id = ? LIMIT ?);

-- name: next_tenant
-- One step of the index.
SELECT min(tenant_id) FROM blob WHERE tenant_id > ?;

-- name: of_tenant
SELECT ref, codec, data FROM blob WHERE tenant_id = ?;
