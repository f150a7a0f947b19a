from datetime import date, timedelta

import pytest
from tests.settings.conftest import Load

from trimtab.domain.change import PointerKind
from trimtab.settings import Level

FILE = """
version: 1
providers:
  p: {wire: openai, url: https://e.com}
models:
  m: {kind: freezer, to: p/m-2026-01-15, review_by: 2026-12-31}
"""
DUE = date(2026, 12, 31)


@pytest.mark.parametrize(
    ("days_left", "level", "says"),
    [
        (31, None, ""),
        (30, Level.WARN, "2026-12-31 is 30 days away"),
        (0, Level.WARN, "2026-12-31 is 0 days away"),
        (-1, Level.ERROR, "2026-12-31 is 1 days ago; review the model and move the date"),
    ],
)
def test_a_freezer_is_due_for_review(
    load_text: Load, days_left: int, level: Level | None, says: str
) -> None:
    notes = load_text(FILE).notes(DUE - timedelta(days=days_left))

    assert [(note.level, note.message) for note in notes] == ([(level, says)] if level else [])
    assert all((note.path, note.line) == ("models.m.review_by", 6) for note in notes)


def test_a_provider_nobody_uses_is_noted(load_text: Load) -> None:
    (note,) = load_text("version: 1\nproviders:\n  p: {wire: openai, url: https://e.com}\n").notes(
        DUE
    )

    assert (note.path, note.line, note.message) == (
        "providers.p",
        3,
        "no model and no tier uses it",
    )


def test_every_section_becomes_pointers(load_text: Load) -> None:
    desired = load_text(
        FILE
        + "tiers: {t: {}}\ntenants: {acme: {tier: t}}\n"
        + f"keys: [{{name: a, tenant: acme, id: 7hq2m9xkd4wp, sha256: '{'0' * 64}'}}]\n"
        + "registry: {require_schemas: true}\nsite: {budget: {usd: 5}}\n"
        + "prices: {overrides: {p/*: {input: 1, output: 1}}}\n"
    ).desired()

    assert sorted(str(pointer) for pointer in desired) == [
        "key/7hq2m9xkd4wp",
        "model/m",
        "prices/overrides",
        "provider/p",
        "registry/policy",
        "site/budget",
        "tenant/acme",
        "tier/t",
    ]
    assert {it.kind for it in desired} == {kind for kind in PointerKind if kind.is_filed}
