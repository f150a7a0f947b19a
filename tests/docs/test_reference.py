"""The reference is what the code says, and says something about everything."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.docs.pages import ROOT

from trimtab.settings import Settings, load

sys.path.insert(0, str(ROOT / "tools"))
reference: Any = importlib.import_module("reference")
words: Any = importlib.import_module("reference_words")
things: Any = importlib.import_module("reference_things")
sys.path.remove(str(ROOT / "tools"))

PAGES: dict[str, str] = reference.pages()
SUBJECTS: dict[str, Any] = things.subjects()

NAMES = {
    "providers": "sim",
    "models": "chat",
    "tiers": "free",
    "tenants": "acme",
    "registry": "staging",
    "reconcile": "billed",
}
LEAST: dict[str, Any] = {
    "version": "1",
    "providers": {
        "sim": {"wire": "caller", "url": "https://sim.example"},
        "billed": {"wire": "openai", "url": "https://billed.example", "key": "env:PROVIDER_KEY"},
    },
    "reconcile": {
        "providers": {"billed": {"admin_key": "env:ADMIN", "accounts": [{"account": "proj_a"}]}}
    },
    "models": {
        name: {"kind": "freezer", "to": "sim/large-2026-01-15"} for name in ("chat", "chat-frozen")
    },
    "tiers": {"free": {"models": "[]"}},
    "tenants": {"acme": {"tier": "free"}, "trimtab-eval": {"tier": "free"}},
    "evals": {
        "online": {
            "max_usd": "1",
            "judge": {"model": "chat-frozen"},
            "metrics": {"refuses": {"expected": "true"}},
        }
    },
    "keys": [{"name": "k", "tenant": "acme", "id": "7hq2m9xkd4wp", "sha256": '"' + "0" * 64 + '"'}],
    "stripe": {"key": "env:STRIPE"},
    "telemetry": {"exporters": [{"endpoint": "https://otlp.example"}]},
    "cloudwatch": {"mode": "emf"},
    "registry": {
        "webhooks": [{"name": "x", "url": "https://hooks.example", "secret": "env:OTLP_KEY"}]
    },
    "alerts": {
        "routes": [
            {
                "name": "x",
                "kind": "webhook",
                "url": "https://hooks.example",
                "secret": "env:OTLP_KEY",
            }
        ]
    },
}
"""A small file in which every setting has a place."""

MAIL: dict[str, str | None] = {
    "kind": "email",
    "server": "smtp.example",
    "from": "t@example",
    "to": "[o@example]",
    "url": None,
    "secret": None,
}
GRAFANA: dict[str, str | None] = {
    "preset": "grafana",
    "key": "env:OTLP_KEY",
    "zone": "z",
    "instance": "1",
}
LANGFUSE: dict[str, str | None] = {
    "preset": "langfuse",
    "key": "env:OTLP_KEY",
    "public_key": "env:OTLP_KEY",
}
ARIZE: dict[str, str | None] = {
    "preset": "arize",
    "key": "env:OTLP_KEY",
    "space": "s",
    "project": "p",
}
BESIDE: dict[str, dict[str, str | None]] = {
    **{f"telemetry.exporters[].{it}": GRAFANA for it in ("key", "zone", "instance")},
    **{f"telemetry.exporters[].{it}": LANGFUSE for it in ("region", "public_key")},
    **{f"telemetry.exporters[].{it}": ARIZE for it in ("space", "project")},
    "telemetry.exporters[].site": {"preset": "datadog", "key": "env:OTLP_KEY", "project": "p"},
    **{f"alerts.routes[].{it}": MAIL for it in ("server", "tls", "from", "to")},
    "alerts.routes[].user": {**MAIL, "password": "env:OTLP_KEY"},
    "alerts.routes[].password": {**MAIL, "user": "t"},
    "alerts.routes[].key": {"kind": "pagerduty", "secret": None},
    "gateway.archive": {"records": "postgres://trimtab@db/trimtab"},
    "providers.NAME.model_prefix": {"wire": "litellm"},
    "providers.NAME.region": {"wire": "litellm", "model_prefix": "bedrock/"},
    "providers.NAME.options": {"wire": "litellm", "model_prefix": "bedrock/"},
    "keys[].act_for": {"tenant": "null"},
    "keys[].new_tenant_tier": {"tenant": "null", "act_for": '"*"'},
    **{it: {"usd": "1"} for it in words.SETTINGS if ".budget." in it and not it.endswith(".usd")},
}
"""What must stand beside a setting for it to mean something, and `None` for what must not."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says_now(name: str) -> None:
    file = ROOT / "docs/reference" / name

    assert file.exists(), "run `make docs`"
    assert file.read_text() == PAGES[name], "run `make docs`"


def test_there_are_no_other_pages() -> None:
    assert {path.name for path in (ROOT / "docs/reference").iterdir()} == set(PAGES)


@pytest.mark.parametrize("kind", SUBJECTS)
def test_everything_has_a_sentence(kind: str) -> None:
    assert SUBJECTS[kind].found
    assert things.gaps(SUBJECTS[kind]) == []


@pytest.mark.parametrize("path", words.SETTINGS)
def test_the_example_of_a_setting_is_accepted(path: str, tmp_path: Path) -> None:
    _load(tmp_path, path, words.SETTINGS[path].example)


@pytest.mark.parametrize("path", [it for it in words.SETTINGS if words.SETTINGS[it].default])
def test_a_default_that_is_written_out_changes_nothing(path: str, tmp_path: Path) -> None:
    written = _load(tmp_path, path, words.SETTINGS[path].default)

    assert written == _load(tmp_path, "version", "1")


def _load(directory: Path, path: str, value: str) -> Settings:
    """Load the small file with one setting written into it."""
    document = json.loads(json.dumps(LEAST))
    place: Any = document
    *names, last = path.replace("[]", ".[]").split(".")
    for name in names:
        if name == "[]":
            place = place[0]
        else:
            place = place.setdefault(NAMES[names[0]] if name == "NAME" else name, {})
    if path in ("gateway.records", "gateway.archive") and value != words.SETTINGS[path].default:
        # Bills are passed on from records that are in the state directory.
        del document["stripe"]
    for name, beside in BESIDE.get(path, {}).items():
        if beside is None:
            del place[name]
        else:
            place[name] = beside
    place[last] = value
    file = directory / "trimtab.yaml"
    file.write_text(_flow(document))
    loaded = load(file, {"OTLP_KEY": "x"})
    return replace(loaded, lines={}, unset=())


def _flow(value: Any) -> str:  # noqa: ANN401 -- YAML
    """Write YAML in which every text stands as it is."""
    match value:
        case {**members}:
            return "{" + ", ".join(f"{name}: {_flow(it)}" for name, it in members.items()) + "}"
        case [*items]:
            return "[" + ", ".join(_flow(it) for it in items) + "]"
        case _:
            return str(value)
