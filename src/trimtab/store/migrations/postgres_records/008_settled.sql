-- Which requests were added up, where their records are kept elsewhere. What a spool tells again is
-- known by it; nothing is told again after so long.
CREATE TABLE settled (
  request_id TEXT COLLATE "C" PRIMARY KEY,
  settled_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX settled_by_time ON settled (settled_at);

-- Whether records are kept elsewhere. The first host decides; those that are here stay here.
CREATE TABLE record_place (
  is_only BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_only),
  is_elsewhere BOOLEAN NOT NULL
);

INSERT INTO record_place (is_elsewhere) SELECT FALSE WHERE EXISTS (SELECT 1 FROM record_site);
