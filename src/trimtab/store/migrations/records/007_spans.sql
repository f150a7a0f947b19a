-- What applications told of their own work. The tenant comes first: no two share an id.
CREATE TABLE span (
  tenant_id TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  span_id TEXT NOT NULL,
  parent_span_id TEXT,
  received_us INTEGER NOT NULL,
  ts_us INTEGER NOT NULL,
  end_us INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  service TEXT NOT NULL,
  view TEXT NOT NULL,
  request_id TEXT,
  response_id TEXT,
  content_ref BLOB,
  body BLOB NOT NULL,
  PRIMARY KEY (tenant_id, trace_id, span_id)
) STRICT;

-- A whole trace is outlined from this alone.
CREATE INDEX span_outline ON span
  (tenant_id, trace_id, ts_us, span_id, parent_span_id, end_us, view);
CREATE INDEX span_by_request ON span (tenant_id, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX span_by_response ON span (tenant_id, response_id) WHERE response_id IS NOT NULL;
CREATE INDEX span_by_time ON span (received_us);

CREATE TRIGGER span_is_final BEFORE UPDATE ON span
BEGIN SELECT RAISE(ABORT, 'spans are insert-only'); END;
