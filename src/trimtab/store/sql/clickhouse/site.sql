-- name: claim_site
-- The first host says which site the records are of.
INSERT INTO site SELECT ? WHERE (SELECT count() FROM site) = 0;

-- name: site
-- Which site the records are of.
SELECT proof FROM site;
