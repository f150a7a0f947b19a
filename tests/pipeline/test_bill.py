from dataclasses import replace

import msgspec
import pytest
from tests.pipeline.conftest import CHAT, CHAT_ADAPTER, SIM

from trimtab.domain.chat import End, Text, UsageReport
from trimtab.domain.errors import (
    ProviderError,
    ProviderRefused,
    UpstreamFailed,
)
from trimtab.domain.model import OnClientGone
from trimtab.domain.usage import Usage, UsageSource
from trimtab.pipeline.bill import usage_of
from trimtab.pipeline.handoff import Route
from trimtab.pipeline.journey import Try

LOST = ProviderError("reset", usage_possible=True)
REFUSED = ProviderRefused("no", status=400)
KNOWN = Usage(
    source=UsageSource.PARTIAL,
    input_tokens=900,
    cached_tokens=400,
    cache_write_5m=100,
    speed="fast",
)


def attempt(
    *,
    answered: bool = False,
    error: UpstreamFailed | None = None,
    sent: bool = True,
    text: str = "",
) -> Try:
    made = Try(
        n=1, route=Route(CHAT.to, SIM, CHAT_ADAPTER), started_s=0, sent_hash="", input_floor=50
    )
    made.dispatched, made.error = sent, error
    made.first_token_s = 1.0 if answered else None
    made.transcript.absorb(Text((0, 0), text))
    return made


def test_t07_final_numbers_of_the_provider_are_taken_as_they_are() -> None:
    final = Usage(source=UsageSource.PROVIDER, input_tokens=0, output_tokens=0)

    ended = attempt(answered=True, text="much text")
    for event in (UsageReport(b"{}", final=True), End()):
        ended.transcript.absorb(event)

    assert usage_of(ended, final) is final


@pytest.mark.parametrize(
    ("wrote", "source", "output"),
    [
        pytest.param(1, "partial", 30, id="a placeholder is not believed"),
        pytest.param(8, "provider", 8, id="what can be is"),
    ],
)
def test_numbers_of_a_stream_that_was_cut_are_believed_if_they_fit_what_was_said(
    wrote: int, source: str, output: int
) -> None:
    cut = attempt(answered=True, text="x" * 120)
    cut.transcript.absorb(UsageReport(b"{}", final=True))
    told = Usage(source=UsageSource.PROVIDER, input_tokens=5, output_tokens=wrote)

    usage = usage_of(cut, told)

    assert (usage.source.value, usage.input_tokens, usage.output_tokens) == (source, 5, output)


@pytest.mark.parametrize(
    ("made", "source", "tokens"),
    [
        pytest.param(attempt(answered=True, text="12345"), "estimated", (50, 2), id="no usage"),
        pytest.param(attempt(error=LOST), "estimated", (50, 0), id="lost after it was sent"),
        pytest.param(attempt(error=REFUSED), "none", (0, 0), id="an error is not billed"),
        pytest.param(attempt(error=LOST, sent=False), "none", (0, 0), id="never sent"),
        pytest.param(attempt(), "estimated", (50, 0), id="we broke off before the answer"),
        pytest.param(attempt(sent=False), "none", (0, 0), id="we broke off before sending"),
    ],
)
def test_without_numbers_it_is_estimated_what_may_be_billed(
    made: Try, source: str, tokens: tuple[int, int]
) -> None:
    usage = usage_of(made, None)

    assert usage.source.value == source
    assert (usage.input_tokens, usage.output_tokens) == tokens


def test_what_was_told_before_the_end_is_kept_and_the_rest_estimated() -> None:
    made = attempt(answered=True, text="x" * 41)
    made.transcript.absorb(UsageReport(b"{}", final=False))

    usage = usage_of(made, msgspec.structs.replace(KNOWN, output_tokens=1))

    assert usage == msgspec.structs.replace(KNOWN, output_tokens=11)


def test_own_hardware_costs_nothing_when_we_cancel() -> None:
    made = attempt(answered=True, text="x")
    made.cancelled = True
    own = msgspec.structs.replace(SIM, on_client_gone=OnClientGone.CANCEL_FREE)
    free = replace(made, route=Route(CHAT.to, own, CHAT_ADAPTER))

    assert usage_of(made, None).source is UsageSource.ESTIMATED
    assert usage_of(free, None).source is UsageSource.NONE
