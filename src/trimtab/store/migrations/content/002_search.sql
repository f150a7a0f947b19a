-- The words of what was asked and answered on that day, for whoever searches. A row's place is its
-- instant within the day and, below that, bits of its request's id: in the order of places the
-- newest come first without sorting. `scope` is the tenant as one word.
CREATE VIRTUAL TABLE search USING fts5(
  scope, asked, answered, columnsize=0, tokenize='unicode61 remove_diacritics 0'
);

-- Whose row each place is; both go together.
CREATE TABLE searched (
  place INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL,
  tenant_id TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX searched_by_request ON searched (request_id);
CREATE INDEX searched_by_tenant ON searched (tenant_id);
