from msgspec.structs import replace

from trimtab.cost.charge import Charge
from trimtab.cost.lock import shipped_lock
from trimtab.cost.meter import Meter
from trimtab.cost.prices import PriceList
from trimtab.domain.chat import UsageReport
from trimtab.domain.model import Provider, ProviderWire, Target, Wire
from trimtab.domain.usage import Usage, UsageSource

NOV_2026_US = 1_795_500_000_000_000
ANTHROPIC = Provider(name="anthropic", wire=ProviderWire.ANTHROPIC, url="http://127.0.0.1")
PRICES = PriceList(shipped_lock())
METER = Meter(PRICES)


def charged(model: str, usage: Usage, provider: Provider = ANTHROPIC) -> Charge:
    return METER.charge(provider, Target(provider.name, model), usage, NOV_2026_US)


def used(**members: str) -> Usage:
    usage = Usage(source=UsageSource.PROVIDER, input_tokens=1000, output_tokens=100)
    return replace(usage, **members)


def test_a_report_becomes_a_charge() -> None:
    raw = b'{"input_tokens": 323, "cache_read_input_tokens": 3800, "output_tokens": 487}'
    usage = METER.usage(Wire.ANTHROPIC_MESSAGES, [UsageReport(raw, final=True)])

    assert usage is not None
    assert charged("claude-sonnet-4-6", usage).cost_nano == 9_414_000


def test_an_unknown_model_has_an_unknown_cost_and_a_version() -> None:
    assert charged("claude-nobody", used()) == Charge(price_version=PRICES.version)


def test_an_unknown_service_has_an_unknown_cost() -> None:
    assert charged("claude-sonnet-4-6", used(service_tier="priority")).cost_nano is None


def test_batches_have_their_price() -> None:
    ordinary = charged("claude-sonnet-4-6", used(service_tier="standard")).cost_nano
    batch = charged("claude-sonnet-4-6", used(service_tier="batch")).cost_nano

    assert ordinary is not None
    assert batch is not None
    assert ordinary == 2 * batch == 4_500_000


def test_what_was_never_sent_costs_nothing_whatever_its_price() -> None:
    usage = Usage(source=UsageSource.NONE, input_tokens=0, output_tokens=0)

    assert charged("claude-nobody", usage).cost_nano == 0


def test_a_provider_may_be_priced_as_another() -> None:
    proxy = Provider(
        name="proxy",
        wire=ProviderWire.ANTHROPIC,
        url="http://127.0.0.1",
        prices_as="anthropic",
    )

    assert charged("claude-sonnet-4-6", used(), proxy) == charged("claude-sonnet-4-6", used())


def test_a_fault_asked_of_a_simulator_does_not_change_the_price() -> None:
    assert charged("claude-sonnet-4-6!cut", used()) == charged("claude-sonnet-4-6", used())


def test_new_prices_hold_from_the_next_charge_on() -> None:
    meter = Meter(PRICES)
    target = Target("anthropic", "claude-sonnet-4-6")
    meter.prices = PriceList(shipped_lock(), {"anthropic/*": {"input": 0, "output": 0}})

    assert meter.charge(ANTHROPIC, target, used(), NOV_2026_US).cost_nano == 0
