import pytest
from tests.settings.conftest import Faults, Load

from trimtab.settings.model import AccountSettings, BillingSettings

PROVIDERS = """
version: 1
providers:
  one: {wire: openai, url: https://api.openai.com/v1, key: [env:KEY_1, env:KEY_2]}
  two: {wire: anthropic, url: https://api.anthropic.com, key: env:KEY_3}
  sim: {wire: caller, url: https://sim.example.com}
"""


def test_bills_are_read_of_the_providers_that_are_named(load_text: Load) -> None:
    settings = load_text(
        PROVIDERS
        + """
reconcile:
  providers:
    one:
      admin_key: env:ADMIN
      accounts:
        - {account: proj_apps, key: env:KEY_2, key_id: key_4fQ2}
        - {account: default}
    two: {admin_key: file:/run/secrets/admin, url: https://proxy.example.com}
"""
    )

    assert settings.billings == (
        BillingSettings(
            provider="one",
            admin_key="env:ADMIN",
            accounts=(
                AccountSettings(account="proj_apps", key="env:KEY_2", key_id="key_4fQ2"),
                AccountSettings(account="default"),
            ),
        ),
        BillingSettings(
            provider="two",
            admin_key="file:/run/secrets/admin",
            url="https://proxy.example.com",
        ),
    )
    assert "reconcile.providers.one.admin_key" in dict(settings.unset)


def test_without_the_section_no_bill_is_read(load_text: Load) -> None:
    assert load_text(PROVIDERS).billings == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{sim: {admin_key: env:A}}", "has the wire 'caller', whose bills cannot be read"),
        ("{nobody: {admin_key: env:A}}", "provider 'nobody' is not in the file"),
        ("{one: {}}", "'admin_key' is missing"),
        ("{one: {admin_key: plain}}", "admin_key"),
        ("{one: {admin_key: env:A, accounts: {}}}", "is not a list"),
        ("{one: {admin_key: env:A, accounts: [{key: env:KEY_1}]}}", "'account' is missing"),
        (
            "{one: {admin_key: env:A, accounts: [{account: a, key: env:OTHER}]}}",
            "is no credential of the provider",
        ),
    ],
)
def test_what_cannot_be_is_told(faults: Faults, text: str, fault: str) -> None:
    (found,) = faults(f"{PROVIDERS}\nreconcile: {{providers: {text}}}\n")

    assert "reconcile.providers." in found
    assert fault in found
