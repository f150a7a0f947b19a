from collections.abc import Mapping
from pathlib import Path

import pytest

from trimtab.domain.model import Model, ModelKind, Share, Target
from trimtab.evals.cache import Cache
from trimtab.evals.calling import Reply
from trimtab.evals.naming import Naming, Tally, answered_by, pinned
from trimtab.testing import FrozenClock

DATED, NEWER = Target("sim", "large-2026-01-15"), Target("sim", "large-2026-05-01")


def model(kind: ModelKind, to: Target = DATED, **members: object) -> Mapping[str, Model]:
    return {"judge": Model(name="judge", kind=kind, to=to, **members)}  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("models", "name", "known"),
    [
        pytest.param(model(ModelKind.FREEZER), "judge", str(DATED), id="freezer"),
        pytest.param(model(ModelKind.ALIAS), "judge", None, id="alias"),
        pytest.param(
            model(ModelKind.FREEZER, Target("sim", "large"), undated_ok="only one"),
            "judge",
            None,
            id="freezer of an undated model",
        ),
        pytest.param(
            model(ModelKind.FREEZER, shares=(Share(DATED, 1), Share(NEWER, 1))),
            "judge",
            None,
            id="freezer of two",
        ),
        pytest.param({}, "judge", None, id="unknown"),
        pytest.param({}, str(DATED), str(DATED), id="a provider's dated model"),
        pytest.param({}, "sim/large", None, id="a provider's model"),
    ],
)
def test_a_name_is_pinned_if_it_is_bound_to_one_dated_model(
    models: Mapping[str, Model], name: str, known: str | None
) -> None:
    assert pinned(name, models) == known


@pytest.mark.parametrize(
    ("target", "said", "by"),
    [
        ("sim/large", "large-2026-01-15", "sim/large-2026-01-15"),
        ("sim/large", "", "sim/large"),
        ("sim/large", "sim/large-2026-01-15", "sim/large-2026-01-15"),
        ("together/meta/llama-3", "meta/llama-3", "together/meta/llama-3"),
        (None, "large", "/large"),
    ],
)
def test_who_answered_is_named_by_the_answer(target: str | None, said: str, by: str) -> None:
    assert answered_by(Reply(status=200, body=b"", model=target), said) == by


@pytest.mark.parametrize(
    ("known", "by", "is_same"),
    [
        ("a/claude-haiku-4-5-20251001", "a/claude-haiku-4-5-20251001", True),
        ("a/claude-haiku-4-5-20251001", "a/claude-haiku-4-5", True),
        ("v/claude-haiku-4-5@20251001", "v/claude-haiku-4-5", True),
        ("b/us.anthropic.claude-3-5-20240620-v1:0", "b/claude-3-5-20240620", True),
        ("a/gpt-4o-2024-08-06", "/", True),
        ("a/gpt-4o-mini-2024-07-18", "a/gpt-4o", False),
        ("a/gpt-4o-2024-08-06", "a/gpt-4o-2024-11-20", False),
        ("a/gpt-4o-2024-08-06", "b/gpt-4o-2024-08-06", False),
        ("a/xgpt-4o", "a/gpt-4o", False),
    ],
)
def test_an_answer_belongs_to_the_model_that_gave_it(
    known: str,
    by: str,
    is_same: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    tally = Tally()
    naming = Naming(name="j", known=known, cache=Cache(tmp_path, FrozenClock()), tally=tally)

    whose = naming.said(by)

    assert whose == (known if is_same else by)
    assert naming.answered == {whose}
    assert bool(tally.warnings) is not is_same
