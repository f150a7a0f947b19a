"""What providers report, as they report it, and what it costs: computed by hand, to the nano-USD.

Amounts in comments are in micro-USD, because that is what a token costs at so many USD per million:
323 tokens at 3 are 969 micro-USD. A micro-USD is 1,000 nano-USD.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from trimtab.cost.charge import estimate_input_tokens
from trimtab.cost.lock import shipped_lock
from trimtab.cost.meter import Meter
from trimtab.cost.prices import PriceList
from trimtab.cost.rates import instant_us
from trimtab.domain.chat import UsageReport
from trimtab.domain.model import Provider, ProviderWire, Target, Wire
from trimtab.domain.usage import Usage, UsageSource

NOV_2026_US = instant_us("2026-11-15")
OVERRIDES: Mapping[str, Any] = {
    "openai/voice": {
        "input": "2.5",
        "cache_read": "1.25",
        "output": 10,
        "input_audio": 32,
        "cache_read_audio": "0.4",
        "output_audio": 64,
    },
    "openai/keeps-long": {
        "input": 2,
        "cache_read": "0.2",
        "cache_write_30m": "2.5",
        "cache_write_12h": 4,
        "output": 8,
    },
    "openai/our-own": {"input": 0, "output": 0},
    "openai/tiny": {"input": "0.075", "output": "0.3"},
    "openai/by-request": {"input": 1, "output": 2, "request": "0.005", "web_search": "0.03"},
}
METER = Meter(PriceList(shipped_lock(), OVERRIDES))
CHAT, RESPONSES, EMBEDDINGS = Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES, Wire.OPENAI_EMBEDDINGS
MESSAGES = Wire.ANTHROPIC_MESSAGES
OPENAI = Provider(name="openai", wire=ProviderWire.OPENAI, url="http://127.0.0.1")
ANTHROPIC = Provider(name="anthropic", wire=ProviderWire.ANTHROPIC, url="http://127.0.0.1")


def said(tier: str | None = None, *, final: bool = True, **usage: object) -> UsageReport:
    """What a provider reports, with the tier that some wires tell beside it."""
    return UsageReport(json.dumps(usage).encode(), final=final, service_tier=tier)


def usage_of(wire: Wire, *reports: UsageReport) -> Usage:
    usage = METER.usage(wire, reports)
    assert usage is not None
    return usage


def cost_of(wire: Wire, model: str, usage: Usage) -> int | None:
    provider = ANTHROPIC if wire is MESSAGES else OPENAI
    charge = METER.charge(provider, Target(provider.name, model), usage, NOV_2026_US)
    if charge.cost_nano is not None:
        parts = (
            *(charge.input_nano, charge.cached_nano, charge.cache_write_nano),
            *(charge.output_nano, charge.other_nano),
        )
        assert sum(part or 0 for part in parts) == charge.cost_nano
    return charge.cost_nano


GOLDEN = [
    # 3 x 3 + 12,304 x 3.75 + 550 x 15 = 9 + 46,140 + 8,250 = 54,399
    pytest.param(
        MESSAGES,
        "claude-3-7-sonnet-20250219",
        [said(input_tokens=3, cache_creation_input_tokens=12_304, output_tokens=550)],
        54_399_000,
        id="anthropic: a cache write is not also input",
    ),
    # 6 x 5 + 159,217 x 6.25 + 2,745 x 25 = 30 + 995,106.25 + 68,625 = 1,063,761.25
    pytest.param(
        MESSAGES,
        "claude-opus-4-7",
        [said(input_tokens=6, cache_creation_input_tokens=159_217, output_tokens=2_745)],
        1_063_761_250,
        id="anthropic: a large cache write",
    ),
    # (4,123 - 3,800) x 3 + 3,800 x 0.3 + 487 x 15 = 969 + 1,140 + 7,305 = 9,414
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-6",
        [said(input_tokens=323, cache_read_input_tokens=3_800, output_tokens=487)],
        9_414_000,
        id="anthropic: cached tokens come on top of input",
    ),
    # 100 x 3 + 2,000 x 3.75 + 1,000 x 6 + 50 x 15 = 300 + 7,500 + 6,000 + 750 = 14,550
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-6",
        [
            said(
                input_tokens=100,
                cache_creation_input_tokens=3_000,
                cache_creation={
                    "ephemeral_5m_input_tokens": 2_000,
                    "ephemeral_1h_input_tokens": 1_000,
                },
                output_tokens=50,
            )
        ],
        14_550_000,
        id="anthropic: writes of 5 minutes and of an hour",
    ),
    # 10 x 3 + 5,000 x 0.3 + 700 x 6 + 20 x 15 = 30 + 1,500 + 4,200 + 300 = 6,030
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-6",
        [
            said(
                input_tokens=10,
                cache_read_input_tokens=5_000,
                cache_creation={"ephemeral_1h_input_tokens": 700},
                cache_creation_input_tokens=700,
                output_tokens=20,
            )
        ],
        6_030_000,
        id="anthropic: read and written in one call",
    ),
    # 200,000 is not above 200,000: 200,000 x 3 + 1,000 x 15 = 615,000
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-5",
        [said(input_tokens=200_000, output_tokens=1_000)],
        615_000_000,
        id="anthropic: just not a long context",
    ),
    # all 200,001 at 6, and the output at 22.5: 1,200,006 + 22,500 = 1,222,506
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-5",
        [said(input_tokens=200_001, output_tokens=1_000)],
        1_222_506_000,
        id="anthropic: a long context is dearer as a whole",
    ),
    # 50,000 + 100,000 + 60,000 = 210,000 are above 200,000:
    # 50,000 x 6 + 100,000 x 0.6 + 60,000 x 7.5 + 10 x 22.5 = 300,000 + 60,000 + 450,000 + 225
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-5",
        [
            said(
                input_tokens=50_000,
                cache_read_input_tokens=100_000,
                cache_creation_input_tokens=60_000,
                output_tokens=10,
            )
        ],
        810_225_000,
        id="anthropic: cached tokens count for the long context",
    ),
    # half of everything: 1,000 x 1.5 + 2,000 x 0.15 + 100 x 7.5 = 1,500 + 300 + 750 = 2,550
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-6",
        [
            said(
                input_tokens=1_000,
                cache_read_input_tokens=2_000,
                output_tokens=100,
                service_tier="batch",
            )
        ],
        2_550_000,
        id="anthropic: a batch",
    ),
    # reasoning is in the output: 500 x 5 + 2,000 x 25 = 2,500 + 50,000 = 52,500
    pytest.param(
        MESSAGES,
        "claude-opus-4-7",
        [
            said(
                input_tokens=500,
                output_tokens=2_000,
                output_tokens_details={"thinking_tokens": 1_800},
            )
        ],
        52_500_000,
        id="anthropic: thinking is output",
    ),
    # 1,000 x 3 + 200 x 15 + 3 searches x 10,000 = 3,000 + 3,000 + 30,000 = 36,000
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-6",
        [
            said(
                input_tokens=1_000,
                output_tokens=200,
                server_tool_use={"web_search_requests": 3},
            )
        ],
        36_000_000,
        id="anthropic: web searches by the piece",
    ),
    # tools' definitions and results are input like any other; only searches cost by the piece:
    # 8,400 x 3 + 640 x 15 + 1 x 10,000 = 25,200 + 9,600 + 10,000 = 44,800
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-6",
        [
            said(
                input_tokens=8_400,
                output_tokens=640,
                server_tool_use={"web_search_requests": 1, "web_fetch_requests": 4},
            )
        ],
        44_800_000,
        id="anthropic: several tools",
    ),
    # the first report's output of 1 is a placeholder: 25 x 3 + 60 x 15 = 75 + 900 = 975
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-6",
        [said(final=False, input_tokens=25, output_tokens=1), said(output_tokens=60)],
        975_000,
        id="anthropic: streamed",
    ),
    # later reports leave the cache out, and it stays: 25 x 3 + 1,000 x 0.3 + 60 x 15 = 1,275
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-6",
        [
            said(final=False, input_tokens=25, cache_read_input_tokens=1_000, output_tokens=1),
            said(output_tokens=60),
        ],
        1_275_000,
        id="anthropic: streamed with a cache",
    ),
    # the last report has all of it anew, after two rounds of a tool: 700 x 3 + 90 x 15 = 3,450
    pytest.param(
        MESSAGES,
        "claude-sonnet-4-6",
        [
            said(final=False, input_tokens=300, output_tokens=1),
            said(final=False, output_tokens=40),
            said(input_tokens=700, output_tokens=90),
        ],
        3_450_000,
        id="anthropic: streamed, counts grow",
    ),
    # (10,000 - 8,000) x 1.25 + 8,000 x 0.125 + 1,000 x 10 = 2,500 + 1,000 + 10,000 = 13,500
    pytest.param(
        CHAT,
        "gpt-5",
        [
            said(
                prompt_tokens=10_000,
                completion_tokens=1_000,
                total_tokens=11_000,
                prompt_tokens_details={"cached_tokens": 8_000},
            )
        ],
        13_500_000,
        id="chat: cached tokens are part of the prompt",
    ),
    # 20 x 1.25 + 900 x 10 = 25 + 9,000 = 9,025; the 768 of reasoning are in the 900
    pytest.param(
        CHAT,
        "gpt-5-2025-08-07",
        [
            said(
                prompt_tokens=20,
                completion_tokens=900,
                total_tokens=920,
                completion_tokens_details={"reasoning_tokens": 768},
            )
        ],
        9_025_000,
        id="chat: reasoning is output, and a dated name is its family",
    ),
    # 1,000 x 2.5 + 100 x 20 = 2,500 + 2,000
    pytest.param(
        CHAT,
        "gpt-5",
        [said("priority", prompt_tokens=1_000, completion_tokens=100)],
        4_500_000,
        id="chat: the priority tier",
    ),
    # 1,000 x 0.625 + 100 x 5 = 625 + 500
    pytest.param(
        CHAT,
        "gpt-5",
        [said("flex", prompt_tokens=1_000, completion_tokens=100)],
        1_125_000,
        id="chat: the flex tier",
    ),
    # 1,000 x 1.25 + 100 x 10 = 2,250: asked for flex, and served as any other
    pytest.param(
        CHAT,
        "gpt-5",
        [said("default", prompt_tokens=1_000, completion_tokens=100)],
        2_250_000,
        id="chat: the tier that was served counts",
    ),
    # nobody has said what this tier costs
    pytest.param(
        CHAT,
        "gpt-5",
        [said("platinum", prompt_tokens=1_000, completion_tokens=100)],
        None,
        id="chat: a tier nobody knows has no price, not the list's",
    ),
    # 300,000 are above 272,000: 300,000 x 5 + 1,000 x 22.5 = 1,522,500
    pytest.param(
        CHAT,
        "gpt-5.4",
        [said(prompt_tokens=300_000, completion_tokens=1_000)],
        1_522_500_000,
        id="chat: a long context",
    ),
    # flex and long: 300,000 x 2.5 + 1,000 x 11.25 = 761,250
    pytest.param(
        CHAT,
        "gpt-5.4",
        [said("flex", prompt_tokens=300_000, completion_tokens=1_000)],
        761_250_000,
        id="chat: a long context in the flex tier",
    ),
    # text 100 x 2.5, audio 400 x 32; text 60 x 10, audio 40 x 64:
    # 250 + 12,800 + 600 + 2,560 = 16,210
    pytest.param(
        CHAT,
        "voice",
        [
            said(
                prompt_tokens=500,
                completion_tokens=100,
                prompt_tokens_details={"audio_tokens": 400},
                completion_tokens_details={"audio_tokens": 40},
            )
        ],
        16_210_000,
        id="chat: audio both ways",
    ),
    # 500 in, 450 cached, 400 of them audio: fresh are 50, all audio is the dearer reading;
    # then 350 of the cached are audio: 50 x 32 + 100 x 1.25 + 350 x 0.4 = 1,600 + 125 + 140
    pytest.param(
        CHAT,
        "voice",
        [
            said(
                prompt_tokens=500,
                completion_tokens=0,
                prompt_tokens_details={"audio_tokens": 400, "cached_tokens": 450},
            )
        ],
        1_865_000,
        id="chat: audio that was cached",
    ),
    # 1,000 - 400 - 300 fresh: 300 x 4 + 400 x 0.4 + 300 x 5 + 10 x 20 = 1,200 + 160 + 1,500 + 200
    pytest.param(
        CHAT,
        "gpt-5.6-sol",
        [
            said(
                prompt_tokens=1_000,
                completion_tokens=10,
                prompt_tokens_details={"cached_tokens": 400, "cache_write_tokens": 300},
            )
        ],
        3_060_000,
        id="chat: a cache write of 30 minutes",
    ),
    # the total has 25 tokens more than the parts, and they are paid as input:
    # 125 x 1.25 + 10 x 10 = 156.25 + 100
    pytest.param(
        CHAT,
        "gpt-5",
        [said(prompt_tokens=100, completion_tokens=10, total_tokens=135)],
        256_250,
        id="chat: a total above its parts",
    ),
    # reasoning beside the output, as the total shows: 10 x 1.25 + (5 + 40) x 10 = 12.5 + 450
    pytest.param(
        CHAT,
        "gpt-5",
        [
            said(
                prompt_tokens=10,
                completion_tokens=5,
                total_tokens=55,
                completion_tokens_details={"reasoning_tokens": 40},
            )
        ],
        462_500,
        id="chat: reasoning beside the output",
    ),
    # each report replaces the one before: 40 x 1.25 + 30 x 10 = 50 + 300
    pytest.param(
        CHAT,
        "gpt-5",
        [
            said(final=False, prompt_tokens=40, completion_tokens=1),
            said(final=False, prompt_tokens=40, completion_tokens=12),
            said(prompt_tokens=40, completion_tokens=30),
        ],
        350_000,
        id="chat: streamed, with usage in every chunk",
    ),
    # 3,000 - 1,000 - 600 - 400 = 1,000 fresh:
    # 1,000 x 2 + 1,000 x 0.2 + 600 x 2.5 + 400 x 4 + 50 x 8 = 2,000 + 200 + 1,500 + 1,600 + 400
    pytest.param(
        RESPONSES,
        "keeps-long",
        [
            said(
                input_tokens=3_000,
                output_tokens=50,
                input_tokens_details={
                    "cached_tokens": 1_000,
                    "cache_write_tokens": 1_000,
                    "cache_write_tokens_details": {"ttl_30m_tokens": 600, "ttl_12h_tokens": 400},
                },
            )
        ],
        5_700_000,
        id="responses: writes of 30 minutes and of 12 hours",
    ),
    # a write of 12 hours has no price here, and that of 30 minutes is cheaper: unknown
    pytest.param(
        RESPONSES,
        "gpt-5.6-sol",
        [
            said(
                input_tokens=3_000,
                output_tokens=50,
                input_tokens_details={
                    "cache_write_tokens": 400,
                    "cache_write_tokens_details": {"ttl_12h_tokens": 400},
                },
            )
        ],
        None,
        id="responses: a lifetime without a price",
    ),
    # 2,000 x 1.25 + 5,000 x 10 = 2,500 + 50,000
    pytest.param(
        RESPONSES,
        "gpt-5",
        [
            said(
                input_tokens=2_000,
                output_tokens=5_000,
                output_tokens_details={"reasoning_tokens": 4_900},
            )
        ],
        52_500_000,
        id="responses: much reasoning",
    ),
    # half: 2,000 x 0.625 + 1,000 x 0.0625 + 500 x 5 = 1,250 + 62.5 + 2,500
    pytest.param(
        RESPONSES,
        "gpt-5",
        [
            said(
                "batch",
                input_tokens=3_000,
                output_tokens=500,
                input_tokens_details={"cached_tokens": 1_000},
            )
        ],
        3_812_500,
        id="responses: a batch with a cache",
    ),
    # 1,234 x 0.02 = 24.68
    pytest.param(
        EMBEDDINGS,
        "text-embedding-3-small",
        [said(prompt_tokens=1_234, total_tokens=1_234)],
        24_680,
        id="embeddings",
    ),
    # 1 x 0.075 + 1 x 0.3 = 0.375, in nano 375
    pytest.param(
        CHAT,
        "tiny",
        [said(prompt_tokens=1, completion_tokens=1)],
        375,
        id="a token each way, far below a micro-USD",
    ),
    # own hardware
    pytest.param(
        CHAT,
        "our-own",
        [said(prompt_tokens=10_000, completion_tokens=10_000)],
        0,
        id="a price of zero is a price",
    ),
    # 1,000 x 1 + 100 x 2 + 5,000 for the request
    pytest.param(
        CHAT,
        "by-request",
        [said(prompt_tokens=1_000, completion_tokens=100)],
        6_200_000,
        id="a fee for each request",
    ),
]


@pytest.mark.parametrize(("wire", "model", "reports", "nano"), GOLDEN)
def test_what_a_provider_reports_costs_what_a_person_computes(
    wire: Wire, model: str, reports: list[UsageReport], nano: int | None
) -> None:
    assert cost_of(wire, model, usage_of(wire, *reports)) == nano


def test_there_are_enough_of_them() -> None:
    assert len(GOLDEN) >= 25


def test_a_stream_that_was_cut_costs_its_input_and_what_was_said() -> None:
    # The input is exact, the output is counted by us, 482 characters at four a token are 121:
    # 25 x 3 + 1,000 x 0.3 + 121 x 15 = 75 + 300 + 1,815 = 2,190
    opening = said(final=False, input_tokens=25, cache_read_input_tokens=1_000, output_tokens=1)

    begun = usage_of(MESSAGES, opening)
    cut = replace(begun, output_tokens=-(-482 // 4))

    assert begun.source is UsageSource.PARTIAL
    assert cost_of(MESSAGES, "claude-sonnet-4-6", cut) == 2_190_000


def test_an_answer_without_usage_costs_what_is_estimated() -> None:
    # 2,001 bytes are 501 tokens, 81 characters are 21: 501 x 1.25 + 21 x 10 = 626.25 + 210
    usage = Usage(
        source=UsageSource.ESTIMATED,
        input_tokens=estimate_input_tokens(2_001),
        output_tokens=estimate_input_tokens(81),
    )

    assert cost_of(CHAT, "gpt-5", usage) == 836_250


def test_half_a_nano_is_rounded_to_even() -> None:
    # At 0.0005 USD per million, a token is half a nano: 1 is 0.5 and becomes 0, 3 are 1.5 and 2.
    prices = PriceList(shipped_lock(), {"openai/half": {"input": "0.0005", "output": 0}})
    meter, target = Meter(prices), Target("openai", "half")

    costs = [
        meter.charge(OPENAI, target, usage_of(CHAT, it), NOV_2026_US).cost_nano
        for it in (
            said(prompt_tokens=1, completion_tokens=0),
            said(prompt_tokens=3, completion_tokens=0),
        )
    ]

    assert costs == [0, 2]


def test_the_instant_decides_between_the_price_of_before_and_the_one_of_now() -> None:
    # gpt-5.6-sol was 5 / 30 until 2026-08-21 and is 4 / 20 since: 5,000 + 3,000 and 4,000 + 2,000
    usage = usage_of(CHAT, said(prompt_tokens=1_000, completion_tokens=100))
    target = Target("openai", "gpt-5.6-sol")

    day = instant_us("2026-08-21")
    costs = [METER.charge(OPENAI, target, usage, at).cost_nano for at in (day - 1, day)]

    assert costs == [8_000_000, 6_000_000]


def test_a_contract_of_its_own_is_of_one_tenant_alone() -> None:
    # 12.5 % off 1,000 x 1.25 + 100 x 10 = 2,250: 1,968.75
    prices = PriceList(shipped_lock())
    own = prices.of_contract({"openai/*": {"discount": "12.5%"}})
    meter = Meter(prices, {"acme": own})
    usage = usage_of(CHAT, said(prompt_tokens=1_000, completion_tokens=100))
    at = OPENAI, Target("openai", "gpt-5"), usage, NOV_2026_US

    assert meter.charge(*at, tenant="acme").cost_nano == 1_968_750
    assert meter.charge(*at, tenant="globex").cost_nano == 2_250_000
    assert meter.charge(*at, tenant="acme").price_version == own.version != prices.version


def test_of_contract_and_site_the_contract_wins_whatever_its_pattern() -> None:
    prices = PriceList(shipped_lock(), {"openai/gpt-5": {"input": 9, "output": 9}})
    own = prices.of_contract({"*/*": {"multiplier": 2, "from": "2026-11-01", "to": "2026-12-01"}})

    def rate(at: str) -> int:
        row = own.find("openai", "gpt-5", at_us=instant_us(at))
        assert row is not None
        return row.rates(0).input

    # twice the list's 1.25 within its dates, everybody's 9 before and after
    assert [rate(at) for at in ("2026-10-31", "2026-11-01", "2026-12-01")] == [
        9_000_000_000,
        2_500_000_000,
        9_000_000_000,
    ]
