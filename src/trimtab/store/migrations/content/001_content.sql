-- What people wrote, on one UTC day. `ref` is a keyed hash; see the concept page on records.
CREATE TABLE blob (
  tenant_id TEXT NOT NULL,
  ref BLOB NOT NULL,
  codec TEXT NOT NULL,
  data BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX blob_by_ref ON blob (tenant_id, ref);
