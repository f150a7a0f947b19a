from math import inf

import pytest
from tests.settings.conftest import Faults, Load

from trimtab.domain.yaml_tree import plain_value


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(
            "version: 1\ntiers: {a: {}}\ntiers: {}\n",
            "trimtab.yaml:3: tiers: is given twice, first in line 2; keep one",
            id="repeated key",
        ),
        pytest.param(
            "version: 1\ntiers:\n  a: {models: [], models: []}\n",
            "trimtab.yaml:3: tiers.a.models: is given twice, first in line 3; keep one",
            id="repeated key in a flow map",
        ),
        pytest.param(
            "version: 1\ntiers: &all {}\n",
            "trimtab.yaml:2: tiers: anchor '&all' is not taken; remove it",
            id="anchor",
        ),
        pytest.param(
            "version: 1\ntiers: *all\n",
            "trimtab.yaml:2: tiers: an alias is not taken; write the value out",
            id="alias",
        ),
        pytest.param(
            "version: 1\ntiers: !!map {}\n",
            "trimtab.yaml:2: tiers: tag 'tag:yaml.org,2002:map' is not taken; remove it",
            id="tag",
        ),
        pytest.param(
            "version: 1\n---\nversion: 1\n",
            "trimtab.yaml:2: a second document begins here; keep one",
            id="second document",
        ),
        pytest.param(
            "version: 1\n[a, b]: 1\n",
            "trimtab.yaml:2: a key is a list or a map; write a word",
            id="key that is no word",
        ),
        pytest.param(
            "- version: 1\n",
            "trimtab.yaml:1: the file is not a map; begin with `version: 1`",
            id="not a map",
        ),
        pytest.param("", "trimtab.yaml:1: 'version' is missing; add it", id="empty file"),
        pytest.param(
            "version: 1\ntiers: " + "[" * 70 + "]" * 70,
            "trimtab.yaml:2: more than 64 lists and maps in each other; flatten it",
            id="deep",
        ),
        pytest.param(
            "version: 1\ntiers:\n" + "\n".join(" " * it + "a:" for it in range(1, 70)),
            "trimtab.yaml:66: more than 64 lists and maps in each other; flatten it",
            id="deep maps",
        ),
    ],
)
def test_refuses_what_has_no_place_in_the_file(faults: Faults, text: str, fault: str) -> None:
    assert fault in faults(text)


def test_a_number_of_any_length_is_one() -> None:
    assert plain_value("1" * 1000) == int("1" * 1000)
    assert plain_value("-" + "1" * 5000) == -inf


def test_tells_the_line_of_what_is_no_yaml(faults: Faults) -> None:
    (fault,) = faults("version: 1\ntiers: {a: [}\n")

    assert fault.startswith("trimtab.yaml:2: this is no YAML (")


def test_keeps_on_and_off_as_the_names_they_are(load_text: Load) -> None:
    settings = load_text(
        """
        version: 1
        providers:
          on: {wire: openai, url: https://example.com}
        models:
          yes: {kind: alias, to: on/large}
        tiers:
          no: {models: [yes]}
        """
    )

    assert (list(settings.providers), list(settings.models)) == (["on"], ["yes"])
    assert settings.tiers["no"].models == ("yes",)


def test_takes_null_for_not_written(load_text: Load) -> None:
    settings = load_text("version: 1\nproviders:\ntiers: ~\ngateway: {drain: null}\n")

    assert (settings.providers, settings.tiers, settings.gateway.drain_s) == ({}, {}, 30.0)
