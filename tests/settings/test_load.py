from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest
from tests.settings.conftest import Faults, Load

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.model import Provider, ProviderWire, Target
from trimtab.settings import load, locate
from trimtab.sim.models import MODELS

DEMO = Path(str(files("trimtab") / "demo" / "trimtab.yaml"))
TODAY = date(2026, 11, 24)


def test_the_demo_loads_without_a_note() -> None:
    settings = load(DEMO, {})

    assert settings.notes(TODAY) == ()
    assert settings.models["chat"].to == Target("sim", "large")
    assert {tenant: value.tier for tenant, value in settings.tenants.items()} == {
        "acme": "enterprise",
        "hobby": "free",
        "trimtab-eval": "enterprise",
    }


def test_the_demo_prices_every_model_of_the_simulator_as_the_simulator_does() -> None:
    overrides = load(DEMO, {}).prices.overrides

    for name, model in MODELS.items():
        prices = {member: float(usd) for member, usd in model.prices.table().items()}
        assert overrides[f"{name}*"] == prices


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("  # openai:", "# The names your apps use"),
        ("# keys:", "prices:"),
        ("# telemetry:", None),
        ("  # admin_key", "\n# Who answers"),
    ],
)
def test_what_the_demo_has_commented_out_is_right_too(
    load_text: Load, begin: str, end: str | None
) -> None:
    text = DEMO.read_text()
    start = text.index(begin)
    stop = len(text) if end is None else text.index(end, start)
    block = "\n".join(
        line.replace("# ", "", 1) if line.strip().startswith("#") else line
        for line in text[start:stop].split("\n")
    )
    if begin.startswith("#"):
        block = block.lstrip()

    settings = load_text(text[:start] + block + text[stop:], {"MY_APP_SHA256": "0" * 64})

    assert settings.tenants


def test_the_demo_prompt_is_the_one_the_seed_shows() -> None:
    text = (files("trimtab") / "demo" / "prompts" / "rag-answer.v3.yaml").read_text("utf-8")

    assert text.startswith("# rag-answer.v3.yaml — registry entry shape.\nname: rag-answer\n")
    assert text.endswith("  QUESTION:\n  $question\n")


def test_a_file_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="write one with `trimtab init`"):
        load(tmp_path / "trimtab.yaml", {})


def test_a_file_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "trimtab.yaml"
    path.write_bytes(b"version: 1\n# caf\xe9\n")

    with pytest.raises(SettingsInvalid, match=r"trimtab\.yaml:2: this is not UTF-8"):
        load(path, {})


def test_a_file_that_is_far_too_large_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "trimtab.yaml"
    path.write_bytes(b"#" * (4 * 2**20 + 1))

    with pytest.raises(SettingsInvalid, match="make it smaller"):
        load(path, {})


def test_the_variable_wins_over_the_listening_address(load_text: Load, faults: Faults) -> None:
    gateway = load_text("version: 1\n", {"TRIMTAB_LISTEN": "0.0.0.0:80"}).gateway

    assert (gateway.host, gateway.port) == ("0.0.0.0", 80)  # noqa: S104
    (fault,) = faults("version: 1\n", {"TRIMTAB_LISTEN": "80"})
    assert "TRIMTAB_LISTEN: '80' is no address" in fault


def test_finds_the_file_as_asked_or_named_or_here_or_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate(None, {}) == DEMO

    (tmp_path / "trimtab.yaml").touch()
    assert locate(None, {}) == Path("trimtab.yaml")
    assert locate(None, {"TRIMTAB_CONFIG": "other.yaml"}) == Path("other.yaml")
    assert locate(Path("asked.yaml"), {"TRIMTAB_CONFIG": "other.yaml"}) == Path("asked.yaml")


def test_a_secret_that_is_not_there_is_a_note_and_no_error(load_text: Load) -> None:
    text = "version: 1\nproviders:\n  p: {wire: openai, url: https://e.com, key: env:KEY}\n"

    unset, set_ = load_text(text), load_text(text, {"KEY": "x"})

    assert [(n.line, n.path, n.level) for n in unset.notes(TODAY) if "KEY" in n.message] == [
        (3, "providers.p.key", "warn")
    ]
    assert not any("KEY" in note.message for note in set_.notes(TODAY))


def test_a_provider_may_be_sent_elsewhere() -> None:
    settings = load(DEMO, {}).with_provider_url("sim", "http://127.0.0.1:5")

    assert settings.providers["sim"] == Provider(
        name="sim", wire=ProviderWire.CALLER, url="http://127.0.0.1:5", allow_private_network=True
    )
    with pytest.raises(SettingsInvalid, match="provider 'local' is not in"):
        settings.with_provider_url("local", "http://127.0.0.1:5")
