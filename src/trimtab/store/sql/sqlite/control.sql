-- name: head
-- The newest entry of the change log.
SELECT seq, change_id, ts_us, kind, name, before, after, author, source, reason, prev_hash, hash
FROM change ORDER BY seq DESC LIMIT 1;

-- name: last
-- The newest entry about one pointer.
SELECT seq, change_id, ts_us, kind, name, before, after, author, source, reason, prev_hash, hash
FROM change WHERE kind = ? AND name = ? ORDER BY seq DESC LIMIT 1;

-- name: changes
-- The entries above a sequence number, oldest first.
SELECT seq, change_id, ts_us, kind, name, before, after, author, source, reason, prev_hash, hash
FROM change WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: append
-- One more entry.
INSERT INTO change
  (seq, change_id, ts_us, kind, name, before, after, author, source, reason, prev_hash, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: newest_seq
-- How far the log goes; 0 when it is empty.
SELECT coalesce(max(seq), 0) FROM change;

-- name: acknowledge
-- What a worker runs now.
INSERT INTO acknowledgement (worker_id, config_seq, ts_us) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET config_seq = excluded.config_seq, ts_us = excluded.ts_us;

-- name: acknowledgements
-- What every worker said last.
SELECT worker_id, config_seq, ts_us FROM acknowledgement ORDER BY worker_id;

-- name: put_account
-- Add or replace somebody who may log in.
INSERT INTO account (name, role, password) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET role = excluded.role, password = excluded.password;

-- name: account
-- Find somebody by name.
SELECT name, role, password FROM account WHERE name = ?;

-- name: accounts
-- List everybody.
SELECT name, role, password FROM account ORDER BY name;

-- name: note
-- One more row of the audit.
INSERT INTO reading (ts_us, author, source, what, tenant_id, request_id)
VALUES (?, ?, ?, ?, ?, ?);

-- name: readings
-- Rows of the audit below a number, newest first.
SELECT ts_us, author, source, what, tenant_id, request_id, seq
FROM reading WHERE seq < ? ORDER BY seq DESC LIMIT ?;

-- name: content_keys
-- Keys that content is sealed under, of one tenant or of all.
SELECT tenant_id, key_id, wrapped FROM content_key
WHERE ? IS NULL OR tenant_id = ? ORDER BY tenant_id;

-- name: content_keys_mark
-- How many keys there are, and the newest: a number is never given twice.
SELECT count(*), coalesce(max(seq), 0) FROM content_key;

-- name: add_content_key
-- One more key, if its tenant has none.
INSERT INTO content_key (tenant_id, key_id, wrapped) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: rewrap_content_key
-- The same key, wrapped otherwise.
UPDATE content_key SET wrapped = ? WHERE tenant_id = ? AND key_id = ?;

-- name: destroy_content_key
-- What was sealed under it cannot be read any more.
DELETE FROM content_key WHERE tenant_id = ?;
