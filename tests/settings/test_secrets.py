import copy
import json
import pickle
from pathlib import Path

import msgspec
import pytest
from tests.settings.conftest import Faults

from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import Secret, resolve
from trimtab.settings.secrets import looks_secret

# Not one that opens anything.
MARKER = "sk-marker0123456789abcdef"


def test_shows_itself_to_nobody() -> None:
    secret = Secret(MARKER)

    shown = f"{secret} {secret!r} {secret:>40} {[secret]} {'%s' % secret}"  # noqa: UP031
    assert MARKER not in shown
    assert str(secret) == "***"
    assert secret.reveal() == MARKER


def test_is_written_nowhere() -> None:
    secret = Secret(MARKER)

    for write in (pickle.dumps, copy.copy, json.dumps, msgspec.json.encode):
        with pytest.raises(TypeError):
            write(secret)


def test_reads_a_reference_to_a_variable() -> None:
    assert resolve("env:KEY", {"KEY": f" {MARKER}\n"}) == Secret(MARKER)


def test_reads_a_reference_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{MARKER}\n")

    assert resolve(f"file:{tmp_path}/key", {}) == Secret(MARKER)


def test_names_the_reference_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    wrong = {
        "env:KEY": "environment variable 'KEY' is not set",
        f"file:{tmp_path}/none": "cannot be read",
        f"file:{tmp_path}/empty": "is empty",
        "env:": "must be a reference",
    }

    for reference, says in wrong.items():
        with pytest.raises(SettingsInvalid, match=says):
            resolve(reference, {})


def test_a_literal_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        resolve(MARKER, {})

    assert MARKER not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        MARKER,
        "sk-ant-api03-0123456789abcdefghij",
        "tt_dev_7hq2m9xkd4wp_" + "a" * 49,
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1" * 18,
        "Bearer abcdefghijkl",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "https://user:pass@example.com/v1",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_knows_the_look_of_a_secret(text: str) -> None:
    assert looks_secret(text)


@pytest.mark.parametrize(
    "text",
    ["sim/large-2026-01-15", "env:OPENAI_API_KEY", "https://example.com:8443/v1", "chat", "a" * 64],
)
def test_takes_nothing_else_for_one(text: str) -> None:
    assert not looks_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        f"providers:\n  p: {{wire: openai, url: https://example.com, key: {MARKER}}}",
        f"providers:\n  p: {{wire: {MARKER}, url: https://example.com}}",
        f"models:\n  m: {{kind: alias, to: {MARKER}}}",
        f"tiers:\n  t: {{models: [{MARKER}]}}",
        f"nonsense:\n  a: {MARKER}",
        f"telemetry:\n  exporters: [{{endpoint: https://example.com, headers: {{x: {MARKER}}}}}]",
        f"prices:\n  overrides: {{a/b: {{input: {MARKER}}}}}",
    ],
)
def test_a_secret_in_the_file_is_an_error_that_does_not_repeat_it(
    faults: Faults, text: str
) -> None:
    found = faults(f"version: 1\n{text}\n")

    assert any(
        fault.startswith("trimtab.yaml:3: ") and "looks like a secret" in fault for fault in found
    )
    assert not any(MARKER in fault for fault in found)
