import re
from importlib.resources import files

import pytest

from trimtab.store.sqlite.dialect import SQL
from trimtab.store.statements import statements

FILES = (
    *("relational/records", "relational/spend", "sqlite/content", "sqlite/control"),
    *("postgres/control", "postgres/records", "postgres/schema"),
)


@pytest.mark.parametrize("file", FILES)
def test_every_statement_of_a_file_has_a_name_of_its_own(file: str) -> None:
    text = (files("trimtab.store") / "sql" / f"{file}.sql").read_text()

    found = statements(file)

    assert len(found) == text.count("-- name: ")
    assert all(sql.strip().endswith(";") and sql.count(";\n") == 1 for sql in found.values())


def test_lists_of_columns_stand_where_their_name_was() -> None:
    found = statements("relational/records", line=("a", "b", "c"))

    assert "INSERT INTO ledger (a, b, c) VALUES (?, ?, ?);" in found["put_line"]
    assert "INSERT INTO request (/*request*/)" in found["put_request"]


def test_only_conditions_and_groups_are_left_to_fill_in() -> None:
    left = {
        name: sorted(set(re.findall(r"/\*(\w+\??)\*/", sql)))
        for name, sql in SQL.items()
        if "/*" in sql
    }

    assert left == {
        "page": ["where"],
        "facets": ["where"],
        "places": ["where"],
        "costs": ["group"],
        "costs_of_tenant": ["group"],
        "costs_of_tenant_ever": ["group"],
        "prompted": ["group"],
        "count": ["of"],
        "victims": ["of"],
        "survivors": ["of"],
        "said_of_survivors": ["of"],
        "claims_of_others": ["of_all"],
        "of_scope": ["of"],
        "spans_of_survivors": ["of_all"],
        "oldest_bucket": ["table"],
        "end_bucket": ["table"],
        "spent_by_hour": ["where"],
        "spent_by_line": ["where"],
    }
