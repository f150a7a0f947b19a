import pytest
from tests.settings.conftest import Faults, Load

from trimtab.domain.billing import Plan
from trimtab.domain.ids import TenantId
from trimtab.settings import StripeSettings

FILE = "version: 1\ntiers: {{free: {{plan: {}}}}}\n"


def test_a_plan_is_read_as_millionths(load_text: Load) -> None:
    settings = load_text(
        """\
        version: 1
        tiers: {free: {plan: {markup: 20%}}}
        tenants:
          acme:
            tier: free
            plan: {markup: -5 %, features: {search: 0.1}, models: {chat-small: 12.3456%}}
          globex: {tier: free}
        """
    )

    assert settings.tiers["free"].plan == Plan(markup=200_000)
    assert settings.tenants[TenantId("acme")].plan == Plan(
        markup=-50_000, features={"search": 100_000}, models={"chat-small": 123_456}
    )
    assert settings.tenants[TenantId("globex")].plan is None


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("{markup: much}", "'much' is no share; write it as 20% or 0.2"),
        ("{markup: 0.00001%}", "'0.00001%' is no share"),
        ("{markup: .nan}", "'.nan' is no share"),
        ("{markup: -101%}", "'-101%' is not from -100% to 10,000%"),
        ("{markup: 10001%}", "'10001%' is not from -100% to 10,000%"),
        ("{per_seat: 5}", "is not known here"),
        ("{features: {Search!: 5%}}", "Search!"),
        ("20%", "is not a map"),
    ],
)
def test_what_is_no_plan_is_refused(faults: Faults, written: str, fault: str) -> None:
    assert fault in "\n".join(faults(FILE.format(written)))


def test_prices_of_a_contract_are_read_as_overrides_are(load_text: Load, faults: Faults) -> None:
    text = "version: 1\ntiers: {{free: {{}}}}\ntenants: {{acme: {{tier: free, prices: {}}}}}\n"

    tenant = load_text(text.format("{openai/*: {discount: 12%}}")).tenants[TenantId("acme")]

    assert tenant.prices == {"openai/*": {"discount": "12%"}}
    assert "tenants.acme.prices" in "\n".join(faults(text.format("{openai/*: {discount: 200%}}")))


STRIPE = """
version: 1
tiers: {free: {}}
tenants: {acme: {tier: free, stripe_customer: cus_1}}
"""


def test_bills_are_passed_on_to_stripe_as_the_section_says(load_text: Load) -> None:
    settings = load_text(STRIPE + "stripe: {key: env:STRIPE_KEY, grace: 24h, every: 10m}\n")

    assert settings.stripe == StripeSettings(key="env:STRIPE_KEY", grace_s=86_400, every_s=600)
    assert settings.tenants[TenantId("acme")].stripe_customer == "cus_1"
    assert "stripe.key" in dict(settings.unset)


def test_without_the_section_nothing_is_passed_on(load_text: Load) -> None:
    assert load_text("version: 1\n").stripe is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "tenants.acme.stripe_customer: means nothing without a section `stripe`"),
        ("stripe: {}", "'key' is missing"),
        ("stripe: {key: plain}", "a secret must be a reference"),
        ("stripe: {key: env:K, grace: 72h}", "is not between 0 and a day"),
        ("stripe: {key: env:K, event_name: a b}", "is nothing that Stripe has"),
        ("stripe: {key: env:K, url: http://127.0.0.1:9}", "is on this machine"),
    ],
)
def test_what_cannot_be_is_refused(faults: Faults, text: str, fault: str) -> None:
    assert fault in " ".join(faults(f"{STRIPE}{text}\n"))
