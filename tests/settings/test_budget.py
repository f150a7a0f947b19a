import pytest
from tests.settings.conftest import Faults, Load

from trimtab.domain.budget import NO_BUDGET, Budget, Downgrade, Hold, Period, Speed, WhenEmpty
from trimtab.domain.ids import KeyId, TenantId

HASH = "0123456789abcdef" * 4
FILE = f"""version: 1
tiers:
  free:
    budget: {{usd: 5, per: day, speed: {{usd: 0.25, per: hour}}, when_empty: warn}}
tenants:
  acme:
    tier: free
    budget: {{usd: 1_000.5}}
    features: {{search: {{budget: {{usd: 2, per: hour}}}}}}
    each_end_user: {{budget: {{usd: 0.000000001}}}}
  globex: {{tier: free}}
keys:
  - {{name: ci, tenant: acme, id: 7hq2m9xkd4wp, sha256: {HASH}, budget: {{usd: 10, per: day}}}}
"""
TIER = "version: 1\ntiers: {{free: {{budget: {}}}}}\n"


def test_reads_a_budget_wherever_there_may_be_one(load_text: Load) -> None:
    settings = load_text(FILE)

    assert settings.tiers["free"].budget == Budget(
        nano=5 * 10**9,
        per=Period.DAY,
        speed=Speed(nano=250_000_000),
        when_empty=WhenEmpty.WARN,
    )
    acme = settings.tenants[TenantId("acme")]
    assert acme.budget == Budget(nano=1_000_500_000_000)
    assert acme.features == {"search": Budget(nano=2 * 10**9, per=Period.HOUR)}
    assert acme.each_end_user == Budget(nano=1)
    assert settings.tenants[TenantId("globex")].budget == NO_BUDGET
    assert settings.keys[KeyId("7hq2m9xkd4wp")].budget == Budget(nano=10**10, per=Period.DAY)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("{usd: five}", "'five' is no amount in USD; write digits, as 500 or 0.25"),
        ("{usd: 0}", "'0' is not above 0 and at most 9_000_000 USD; choose an amount that is"),
        ("{usd: 9_000_001}", "'9000001' is not above 0 and at most 9_000_000 USD"),
        ("{usd: 1e3}", "'1e3' is no amount in USD"),
        ("{usd: 0.0000000001}", "'0.0000000001' is no amount in USD"),
        ("{usd: 5, per: week}", "'week' is not taken; write hour | day | month"),
        ("{usd: 5, when_empty: downgrade}", "'downgrade' is not taken; write block | warn"),
        ("{usd: 5, when_empty: {downgrade_to: x}}", "'up_to_usd' is missing; add it"),
        ("{usd: 5, when_empty: {downgrade_to: x, up_to_usd: no}}", "'no' is no amount in USD"),
        ("{speed: {per: hour}}", "'usd' is missing; add it"),
        ("{eur: 5}", "is not known here"),
        ("{usd: 5, hold: loose}", "'loose' is not taken; write estimate | strict"),
        ("{usd: 5, warn_at: 50%}", "is not a list; write [50%, 80%, 95%]"),
        ("{usd: 5, warn_at: [80%, 50%]}", "is not 1 % to 100 % in order, none twice"),
        ("{usd: 5, warn_at: [50%, 50%]}", "is not 1 % to 100 % in order, none twice"),
        ("{usd: 5, warn_at: [0%]}", "is not 1 % to 100 % in order"),
        ("{usd: 5, warn_at: [101%]}", "is not 1 % to 100 % in order"),
        ("{usd: 5, warn_at: [0.5]}", "is not 1 % to 100 % in order"),
        ("{hold: strict, warn_at: [5%]}", "bounds nothing; add `usd` or `speed`"),
        ("{per: day}", "bounds nothing; add `usd` or `speed`"),
        ("{}", "bounds nothing; add `usd` or `speed`"),
        ("5", "is not a map"),
    ],
)
def test_says_what_is_wrong_with_a_budget(faults: Faults, written: str, fault: str) -> None:
    (told,) = faults(TIER.format(written))

    assert fault in told


def test_reads_a_budget_that_leads_on_and_that_of_the_site(load_text: Load) -> None:
    settings = load_text(
        "version: 1\nsite: {budget: {usd: 9, when_empty: {downgrade_to: small, up_to_usd: 1}}}\n"
    )

    leads_on = Downgrade(to="small", nano=10**9)
    assert settings.site_budget == Budget(nano=9 * 10**9, when_empty=leads_on)


def test_reads_how_a_budget_is_held_and_when_people_are_told(load_text: Load) -> None:
    settings = load_text(TIER.format("{usd: 5, hold: strict, warn_at: [50%, 80 %, 100%]}"))

    held = Budget(nano=5 * 10**9, hold=Hold.STRICT, warn_at=(50, 80, 100))
    assert settings.tiers["free"].budget == held


def test_nobody_is_told_of_each_end_user(faults: Faults) -> None:
    (told,) = faults(
        "version: 1\ntiers: {free: {}}\ntenants:\n  acme:\n    tier: free\n"
        "    each_end_user: {budget: {usd: 1, warn_at: [50%]}}\n"
    )

    assert "each_end_user.budget.warn_at: is not known here" in told
