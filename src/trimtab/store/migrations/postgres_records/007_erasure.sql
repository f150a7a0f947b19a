-- What is kept for a case, whatever else would end it, and its content.
CREATE TABLE legal_hold (
  case_id TEXT COLLATE "C" NOT NULL,
  request_id TEXT COLLATE "C" NOT NULL,
  tenant_id TEXT COLLATE "C" NOT NULL,
  ts_us BIGINT NOT NULL,
  author TEXT COLLATE "C" NOT NULL,
  until_us BIGINT,
  PRIMARY KEY (request_id, case_id)
);

CREATE TABLE kept_content (
  tenant_id TEXT COLLATE "C" NOT NULL,
  ref BYTEA NOT NULL,
  codec TEXT COLLATE "C" NOT NULL,
  data BYTEA NOT NULL,
  PRIMARY KEY (tenant_id, ref)
);

ALTER TABLE kept_content ALTER COLUMN data SET STORAGE EXTERNAL;

-- Which erasures of the change log were carried out, by which host; a restored backup knows less.
CREATE TABLE erasure (
  erasure_id TEXT COLLATE "C" NOT NULL,
  host TEXT COLLATE "C" NOT NULL,
  done_us BIGINT NOT NULL,
  held BIGINT NOT NULL,
  PRIMARY KEY (erasure_id, host)
);

-- From which instant on a table is whole: what was before has ended.
CREATE TABLE whole_since (
  name TEXT COLLATE "C" PRIMARY KEY,
  since_us BIGINT NOT NULL
);

-- Replays, judgements and shadows of a request; most requests are none.
CREATE INDEX request_by_origin ON request (origin_request_id) WHERE origin_request_id IS NOT NULL;

-- A line is final but for what callers named a conversation and put into tags: an erasure takes
-- that away; and retention ends lines that say they have been kept for long enough.
CREATE OR REPLACE FUNCTION ledger_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    OLD.conversation_id := NULL;
    OLD.tags := NULL;
    -- What is generated is not there yet.
    OLD.request_id := NEW.request_id;
    IF NEW IS NOT DISTINCT FROM OLD THEN
      RETURN NEW;
    END IF;
  ELSIF TG_OP = 'DELETE' THEN
    IF OLD.ts_us < CAST(
      coalesce(nullif(current_setting('trimtab.ledger_ends_us', true), ''), '0') AS BIGINT
    ) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'the ledger is insert-only';
END $$;

DROP TRIGGER ledger_is_final ON ledger;

CREATE TRIGGER ledger_is_final BEFORE UPDATE OR DELETE ON ledger
FOR EACH ROW EXECUTE FUNCTION ledger_is_final();

CREATE TRIGGER ledger_is_not_emptied BEFORE TRUNCATE ON ledger
FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_final();
