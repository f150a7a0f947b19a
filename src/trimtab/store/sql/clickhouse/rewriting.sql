-- name: drop_words
-- By what requests of a tenant's day are found.
ALTER TABLE search DELETE IN PARTITION ID :part
WHERE tenant_id = :tenant_id
  AND request_id IN (SELECT name FROM going WHERE host = :host AND part = :part);

-- name: drop_words_of
ALTER TABLE search DELETE IN PARTITION ID :part WHERE tenant_id = :tenant_id;

-- name: drop_content
-- Pieces of content of a tenant's day.
ALTER TABLE content DELETE IN PARTITION ID :part
WHERE tenant_id = :tenant_id
  AND ref IN (SELECT unhex(name) FROM going WHERE host = :host AND part = :part);

-- name: drop_content_of
ALTER TABLE content DELETE IN PARTITION ID :part WHERE tenant_id = :tenant_id;

-- name: scrub_detail
ALTER TABLE request_detail UPDATE detail = unhex(:detail) IN PARTITION ID :part
WHERE request_id IN (SELECT name FROM going WHERE host = :host AND part = :part);

-- name: scrub_attempts
-- Under a plain NULL, here and below, what stood there would stay on the disk.
ALTER TABLE attempt UPDATE raw_reason = materialize(CAST(NULL, 'LowCardinality(Nullable(String))'))
IN PARTITION ID :part
WHERE request_id IN (SELECT name FROM going WHERE host = :host AND part = :part)
  AND raw_reason IS NOT NULL;

-- name: unsay
ALTER TABLE annotation DELETE IN PARTITION ID :part
WHERE request_id IN (SELECT name FROM going WHERE host = :host);

-- name: untell
ALTER TABLE span DELETE IN PARTITION ID :part
WHERE concat(tenant_id, '/', trace_id, '/', span_id)
  IN (SELECT name FROM going WHERE host = :host AND part = :part);

-- name: scrub
ALTER TABLE request UPDATE
  content_state = 'erased', content_bytes = 0, replay = 'none', replay_gaps = 'content_erased',
  extra = '{}',
  user_hash = materialize(CAST(NULL, 'Nullable(String)')),
  conversation_id = materialize(CAST(NULL, 'Nullable(String)')),
  tags = materialize(CAST(NULL, 'Nullable(String)')),
  idempotency_key_hash = materialize(CAST(NULL, 'Nullable(String)')),
  tracestate = materialize(CAST(NULL, 'Nullable(String)')),
  input_ref = materialize(CAST(NULL, 'Nullable(String)')),
  output_ref = materialize(CAST(NULL, 'Nullable(String)')),
  received_ref = materialize(CAST(NULL, 'Nullable(String)')),
  tools_ref = materialize(CAST(NULL, 'Nullable(String)')),
  prompt_vars_ref = materialize(CAST(NULL, 'Nullable(String)')),
  query_embedding_ref = materialize(CAST(NULL, 'Nullable(String)'))
IN PARTITION ID :part
WHERE request_id IN (SELECT name FROM going WHERE host = :host AND part = :part);

-- name: end_details
ALTER TABLE request_detail DELETE IN PARTITION ID :part
WHERE ts_us < :before_us AND request_id NOT IN :held;

-- name: end_attempts
ALTER TABLE attempt DELETE IN PARTITION ID :part
WHERE ts_us < :before_us AND request_id NOT IN :held;

-- name: end_requests
ALTER TABLE request DELETE IN PARTITION ID :part
WHERE ts_us < :before_us AND request_id NOT IN :held;

-- name: end_annotations
ALTER TABLE annotation DELETE IN PARTITION ID :part
WHERE ts_us < :before_us AND request_id NOT IN :held;

-- name: end_spans
ALTER TABLE span DELETE IN PARTITION ID :part WHERE received_us < :before_us;
