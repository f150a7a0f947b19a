-- name: save
-- An alert as it stands; who silenced it is not the keeper's to say.
INSERT INTO alert (id, rule, finding, opened_us, seen_us, resolved_us, told_us, notices)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET finding = excluded.finding, opened_us = excluded.opened_us,
  seen_us = excluded.seen_us, resolved_us = excluded.resolved_us, told_us = excluded.told_us,
  notices = excluded.notices;

-- name: alerts
-- The newest alerts of a kind.
SELECT id, finding, opened_us, seen_us, resolved_us, told_us, notices, silence FROM alert
WHERE /*where*/ ORDER BY opened_us DESC, id LIMIT ?;

-- name: page
-- Alerts that fit, the newest first, from a place on.
SELECT id, finding, opened_us, seen_us, resolved_us, told_us, notices, silence FROM alert
WHERE (:rules IS NULL OR rule IN (SELECT value FROM json_each(:rules)))
  AND (:tenant IS NULL OR finding ->> '$.tenant_id' = :tenant)
  AND (:open IS NULL OR (resolved_us IS NULL) = :open)
  AND (:silent IS NULL OR coalesce(silence ->> '$.until_us' > :now, 0) = :silent)
  AND (:after IS NULL OR opened_us < :after OR (opened_us = :after AND id > :after_id))
ORDER BY opened_us DESC, id LIMIT :limit;

-- name: find
-- Alerts whose id begins with a text.
SELECT id, finding, opened_us, seen_us, resolved_us, told_us, notices, silence FROM alert
WHERE id >= ? AND id < ? ORDER BY id LIMIT 2;

-- name: silence
-- Let nobody be told of an alert, or everybody again.
UPDATE alert SET silence = ? WHERE id = ?;

-- name: tell
-- Something that a route is to be told, if it is not there already.
INSERT INTO notice (alert_id, n, route, kind, due_us, tries, error) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: notices
-- All that is to be told, in the order in which it came up.
SELECT alert_id, n, route, kind, due_us, tries, error FROM notice ORDER BY alert_id, n, route;

-- name: hold
-- It was not taken.
UPDATE notice SET due_us = ?, tries = ?, error = ? WHERE alert_id = ? AND n = ? AND route = ?;

-- name: told
-- It was told, or is not to be told any more.
DELETE FROM notice WHERE alert_id = ? AND n = ? AND route = ?;

-- name: ended
-- What became of the last thing a route was to be told of an alert.
INSERT OR REPLACE INTO outcome (alert_id, route, kind, at_us, error) VALUES (?, ?, ?, ?, ?);

-- name: outcomes
-- What became of it, of some alerts.
SELECT alert_id, route, kind, at_us, error FROM outcome
WHERE alert_id IN (SELECT value FROM json_each(?)) ORDER BY alert_id, route;
