import pytest
from tests.settings.conftest import Faults, Load

FILE = """version: 1
providers:
  sim: {{wire: caller, url: https://sim.example.com}}
models:
  chat: {{kind: alias, to: {provider}/large}}
tiers:
  free: {{models: [{model}]}}
tenants:
  acme: {{tier: {tier}, models: [{model_too}]}}
keys:
  - {{name: a, tenant: {tenant}, id: 7hq2m9xkd4wp, sha256: {hash}, models: [{model_three}]}}
"""
GOOD = {
    "provider": "sim",
    "model": "chat",
    "tier": "free",
    "model_too": "sim/*",
    "tenant": "acme",
    "hash": "0" * 64,
    "model_three": "sim/large",
}


def test_names_that_are_declared_are_taken(load_text: Load) -> None:
    assert load_text(FILE.format(**GOOD)).keys


@pytest.mark.parametrize(
    ("what", "name", "fault"),
    [
        (
            "provider",
            "sm",
            "5: models.chat.to: provider 'sm' is not in the file; did you mean 'sim'?",
        ),
        (
            "model",
            "chta",
            "7: tiers.free.models[0]: model 'chta' is not in the file; did you mean 'chat'?",
        ),
        (
            "tier",
            "fre",
            "9: tenants.acme.tier: tier 'fre' is not in the file; did you mean 'free'?",
        ),
        (
            "model_too",
            "smi/*",
            "9: tenants.acme.models[0]: provider 'smi' is not in the file; did you mean 'sim'?",
        ),
        (
            "model_three",
            "zzz",
            "11: keys[0].models[0]: model 'zzz' is not in the file; there is chat",
        ),
        (
            "tenant",
            "acmee",
            "11: keys[0].tenant: tenant 'acmee' is not in the file; did you mean 'acme'?",
        ),
    ],
)
def test_a_name_nothing_declares_is_refused(
    faults: Faults, what: str, name: str, fault: str
) -> None:
    assert faults(FILE.format(**{**GOOD, what: name})) == [f"trimtab.yaml:{fault}"]


def test_what_is_declared_wrongly_counts_as_declared(faults: Faults) -> None:
    text = FILE.format(**GOOD).replace("wire: caller", "wire: telepathy")

    (fault,) = faults(text)

    assert "providers.sim.wire" in fault


def test_all_faults_are_told_in_the_order_of_the_file(faults: Faults) -> None:
    wrong = {**GOOD, "provider": "x", "tier": "y", "tenant": "z"}

    assert [fault.split(":")[1] for fault in faults(FILE.format(**wrong))] == ["5", "9", "11"]
