from dataclasses import replace

import msgspec
import pytest
from tests.gateway.conftest import AUTH, CHAT, HI, call, gateway
from tests.gateway.test_app import json_answer
from tests.pipeline.conftest import ACME, GRANT, SIM, Rig

from trimtab.control.snapshot import Grant
from trimtab.domain.errors import FieldNotAllowed
from trimtab.domain.ids import TraceId
from trimtab.domain.tenant import KeyRight
from trimtab.gateway.headers import read
from trimtab.gateway.trace_context import context_of
from trimtab.telemetry.sampling import Policy

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
OWN = TraceId("ab" * 16)
PARENT = (b"traceparent", f"00-{TRACE}-{SPAN}-03".encode())
STATE = (b"tracestate", b"b=2, ot=rv:ffffffffffffff ,a=1")
KEEPS = replace(GRANT, key=msgspec.structs.replace(GRANT.key, may=(KeyRight.KEEP,)))
DISTRUSTED = (
    replace(GRANT, key=msgspec.structs.replace(GRANT.key, trust_trace_context=False)),
    replace(GRANT, tenant=msgspec.structs.replace(ACME, trust_trace_context=False)),
)


def test_a_caller_s_trace_goes_on_with_all_that_it_says() -> None:
    trace, context = context_of(read([PARENT, STATE]), GRANT, OWN, frozenset())

    assert trace == TRACE
    assert (context.parent_span_id, context.is_sampled, context.is_random) == (SPAN, True, True)
    assert context.tracestate == "b=2,ot=rv:ffffffffffffff,a=1"


def test_a_tracestate_without_a_trace_says_nothing() -> None:
    trace, context = context_of(read([STATE]), GRANT, OWN, frozenset())

    assert (trace, context.parent_span_id, context.tracestate) == (OWN, None, None)


def test_a_broken_tracestate_breaks_no_trace() -> None:
    trace, context = context_of(read([PARENT, (b"tracestate", b"A=")]), GRANT, OWN, frozenset())

    assert (trace, context.parent_span_id, context.tracestate) == (TRACE, SPAN, None)


@pytest.mark.parametrize("grant", DISTRUSTED, ids=["key", "tenant"])
def test_who_is_not_trusted_is_a_link(grant: Grant) -> None:
    trace, context = context_of(read([PARENT, STATE]), grant, OWN, frozenset())

    assert (trace, context.parent_span_id, context.tracestate) == (OWN, None, None)
    assert context.link == (TRACE, SPAN)


def test_baggage_is_let_in_by_its_keys_alone() -> None:
    raw = b"plan=pro%20plus;ttl=1, secret=x, plan=again, bad=%0a, empty"
    allowed = frozenset({"plan", "bad", "empty"})

    assert context_of(read([(b"baggage", raw)]), GRANT, OWN, allowed)[1].baggage == (
        ("plan", "pro plus"),
    )
    assert context_of(read([(b"baggage", raw)]), GRANT, OWN, frozenset())[1].baggage == ()


def test_only_a_key_that_may_has_traces_kept() -> None:
    asks = read([(b"x-trimtab-keep", b"1")])

    assert context_of(asks, KEEPS, OWN, frozenset())[1].keep
    with pytest.raises(FieldNotAllowed, match="--may keep"):
        context_of(asks, GRANT, OWN, frozenset())


async def test_what_is_asked_to_be_kept_is_and_the_answer_says_so() -> None:
    policy = Policy(rest=0.0001)
    rig = Rig(json_answer(), json_answer(), grant=KEEPS, policy=policy)

    plain = await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH])
    kept = await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH, (b"x-trimtab-keep", b"1")])

    records = [it.record for it in rig.finishes]
    assert [(it.sampling_rule, it.trace_kept) for it in records] == [
        ("rest", False),
        ("forced", True),
    ]
    flags = [it.headers["traceresponse"][-2:] for it in (plain, kept)]
    assert flags == ["02", "03"]


async def test_a_trace_is_told_to_providers_that_are_our_own_alone() -> None:
    own = msgspec.structs.replace(SIM, propagate=True)
    for provider in (SIM, own):
        rig = Rig(json_answer(), provider=provider)
        await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH, PARENT, STATE])

        head = rig.provider.sent[0][1]
        (attempt,) = rig.finish.attempts
        assert attempt.n == 1
        assert (f"traceparent: 00-{TRACE}-".encode() in head) is provider.propagate
        assert (b"\r\ntracestate: b=2,ot=rv:ffffffffffffff,a=1\r\n" in head) is provider.propagate
        assert SPAN.encode() not in head
        assert head.endswith(b"\r\n")


async def test_what_was_said_of_the_trace_is_in_the_finish_and_in_the_begin() -> None:
    rig = Rig(json_answer(), grant=DISTRUSTED[0])

    await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH, PARENT])

    assert rig.finish.detail.link == (TRACE, SPAN)
    assert rig.begins[0].trace.link == (TRACE, SPAN)
    assert rig.record.trace_id != TRACE
    assert rig.finish.detail.sampling is not None
