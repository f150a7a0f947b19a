-- How much of every bill was made into meter events. It lies with the ledger that bills are made of.
CREATE TABLE meter_pushed (
  tenant_id TEXT NOT NULL,
  month TEXT NOT NULL,
  cents INTEGER NOT NULL CHECK (cents >= 0),
  PRIMARY KEY (tenant_id, month)
) STRICT, WITHOUT ROWID;

-- A row goes when it has arrived.
CREATE TABLE meter_event (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  month TEXT NOT NULL,
  customer TEXT NOT NULL,
  cents INTEGER NOT NULL CHECK (cents > 0),
  made_us INTEGER NOT NULL,
  due_us INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  error TEXT NOT NULL,
  doubt_us INTEGER,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
