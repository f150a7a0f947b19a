-- What a caller says of a request waits here until it is known whose that is.
CREATE TABLE annotation_claim (
  annotation_id TEXT COLLATE "C" PRIMARY KEY,
  request_id TEXT COLLATE "C" NOT NULL,
  tenant_id TEXT COLLATE "C" NOT NULL,
  ts_us BIGINT NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  score DOUBLE PRECISION,
  label TEXT COLLATE "C",
  text_ref BYTEA,
  source TEXT COLLATE "C" NOT NULL,
  author TEXT COLLATE "C",
  version TEXT COLLATE "C",
  probability DOUBLE PRECISION
);

CREATE INDEX annotation_claim_by_request ON annotation_claim (request_id);
