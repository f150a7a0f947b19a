import asyncio
import json
import os
from dataclasses import replace

import pytest
from tests.pipeline.conftest import COST_NANO, FLOOR, GRANT, SIM, Rig, good_stream, json_answer

from trimtab.domain.errors import RecorderUnavailable
from trimtab.domain.record import ContentState
from trimtab.domain.tenant import ContentPolicy, WhenFull
from trimtab.pipeline import journal
from trimtab.store.content import decompress
from trimtab.store.sealing import Sealer
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.pressure import Level


async def test_an_attempt_is_written_down_before_it_is_made() -> None:
    rig = Rig(good_stream())

    await rig.ask()

    kinds = [kind for kind, _ in rig.spool.frames]
    begin = rig.begins[0]
    assert kinds == [Kind.BEGIN, Kind.FINISH]
    assert begin.request_id == rig.record.request_id
    assert (begin.tenant_id, begin.provider, begin.model_sent) == ("acme", SIM.name, "large")
    assert (begin.input_floor, begin.config_seq) == (FLOOR, 7)
    assert begin.sent_hash == rig.finish.attempts[0].sent_hash
    assert begin.input_ref == rig.record.input_ref
    assert begin.content


async def test_a_body_sent_twice_is_stored_once() -> None:
    rig = Rig(good_stream(), good_stream())

    await rig.ask()
    await rig.ask()

    first, second = rig.begins
    assert first.input_ref == second.input_ref
    assert second.content == ()


async def test_a_body_that_did_not_reach_the_spool_is_written_again() -> None:
    rig = Rig(good_stream(), good_stream())
    rig.spool.full = True
    await rig.ask()
    rig.spool.full = False

    await rig.ask()

    (begin,) = rig.begins
    assert begin.content


async def test_outcomes_that_wait_keep_their_order_and_are_written_once() -> None:
    rig = Rig(*[json_answer() for _ in range(4)])
    rig.spool.room_for_finishes = 0
    await asyncio.gather(*[rig.ask() for _ in range(3)])
    rig.spool.room_for_finishes = 9

    await rig.ask()

    assert [finish.record.request_id for finish in rig.finishes] == [
        begin.request_id for begin in rig.begins
    ]
    assert [finish.lines[0].cost_nano for finish in rig.finishes] == [COST_NANO] * 4


async def test_outcomes_that_wait_are_bounded_and_then_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "MAX_UNWRITTEN", 2)
    rig = Rig(*[json_answer() for _ in range(4)])
    rig.spool.room_for_finishes = 0
    await asyncio.gather(*[rig.ask() for _ in range(3)])
    rig.spool.room_for_finishes = 9

    await rig.ask()

    assert len(rig.finishes) == 3
    assert rig.spool.notes == {"unwritten": 1}


async def test_while_outcomes_wait_nothing_new_is_sent() -> None:
    rig = Rig(*[json_answer() for _ in range(4)])
    rig.spool.room_for_finishes = 0
    await asyncio.gather(*[rig.ask() for _ in range(3)])
    rig.spool.room_for_finishes = 1

    reply = await rig.ask()

    assert isinstance(reply.error, RecorderUnavailable)
    assert len(rig.provider.sent) == 3
    assert len(rig.finishes) == 1

    rig.spool.room_for_finishes = 9
    await rig.ask()
    assert [finish.record.request_id for finish in rig.finishes] == [
        begin.request_id for begin in rig.begins
    ]


async def test_a_rejection_that_cannot_be_written_is_counted_and_not_kept() -> None:
    rig = Rig(good_stream())
    rig.spool.full = True
    await rig.ask(rig.request(model="nothing"))
    rig.spool.full = False

    await rig.ask()

    assert len(rig.finishes) == 1
    assert rig.spool.notes == {"recorder_unavailable": 1}


async def test_the_journal_remembers_nothing_of_requests_that_ended() -> None:
    rig = Rig(*[good_stream() for _ in range(20)])

    for _ in range(20):
        await rig.ask()

    state = vars(rig.journal)
    assert not any(
        record.request_id in repr(value)
        for record in (finish.record for finish in rig.finishes)
        for value in state.values()
    )


@pytest.mark.parametrize("policy", [ContentPolicy.NONE, ContentPolicy.REDACTED])
async def test_a_body_that_may_not_be_kept_is_proved_by_its_hash_alone(
    policy: ContentPolicy,
) -> None:
    kept, hidden = Rig(good_stream()), Rig(good_stream(), grant=replace(GRANT, content=policy))

    await kept.ask()
    await hidden.ask()

    assert hidden.begins[0].sent_hash == kept.begins[0].sent_hash
    assert (hidden.begins[0].input_ref, hidden.begins[0].content) == (None, ())


def test_an_end_user_is_known_by_a_hash_of_their_tenant() -> None:
    rig = Rig()

    hashed = rig.journal.user_hash("acme", "ana@example.com")

    assert hashed is not None
    assert len(hashed) == 32
    assert rig.journal.user_hash("acme", None) is None


LONG = {"messages": [{"role": "user", "content": f"begin {'lorem ' * 2000} end"}]}


def stored(rig: Rig) -> bytes:
    """Put together what the outcome of a request stores."""
    [finish] = rig.finishes
    return b"".join(decompress(it.codec, it.data) for it in finish.content)


async def test_short_of_room_the_middle_of_a_long_body_is_left_out() -> None:
    rig = Rig(good_stream())
    rig.level = Level.CUT

    await rig.ask(rig.request(LONG))

    assert (rig.begins[0].input_ref, rig.begins[0].content) == (None, ())
    assert rig.record.input_ref is not None
    assert rig.record.content_state == ContentState.TRUNCATED
    assert (rig.record.replay, rig.record.replay_gaps) == ("partial", "content_truncated")
    assert b"begin lorem" in stored(rig)
    assert b"lorem  end" in stored(rig)
    assert len(stored(rig)) < 6000


async def test_short_of_room_what_is_short_is_kept_whole() -> None:
    rig, normal = Rig(good_stream()), Rig(good_stream())
    rig.level = Level.CUT

    await rig.ask()
    await normal.ask()

    assert rig.record.input_ref == normal.record.input_ref
    assert rig.record.content_state == ContentState.FULL
    assert rig.record.replay == "full"


async def test_short_of_room_what_failed_is_kept_whole() -> None:
    rig = Rig(*[json_answer(b"{}", 500)] * 3)
    rig.level = Level.CUT

    await rig.ask(rig.request(LONG))

    assert rig.record.status == "error"
    assert rig.record.content_state == ContentState.FULL
    assert stored(rig).count(b"lorem ") == 2000


async def test_without_room_no_content_is_kept_but_what_it_cost() -> None:
    rig = Rig(good_stream())
    rig.level = Level.BARE

    await rig.ask()

    assert rig.finishes[0].content == ()
    assert (rig.record.input_ref, rig.record.output_ref) == (None, None)
    assert rig.record.content_state == ContentState.TRUNCATED
    assert rig.record.cost_nano == COST_NANO


async def test_a_tenant_may_be_served_while_nothing_can_be_written() -> None:
    rig = Rig(good_stream(), good_stream(), grant=replace(GRANT, when_spool_is_full=WhenFull.OPEN))
    rig.spool.full = True
    reply = await rig.ask()
    assert reply.error is None
    assert rig.spool.frames == []

    rig.spool.full = False
    rig.journal.catch_up()

    [finish] = rig.finishes
    assert (finish.record.status, finish.record.cost_nano) == ("ok", COST_NANO)
    assert (finish.record.input_ref, finish.content) == (None, ())


async def test_what_is_not_written_down_yet_is_told_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig(good_stream())
    rig.spool.room_for_finishes = 0

    await rig.ask()

    [told] = [it for it in caplog.messages if it.startswith("not written down yet: ")]
    line = json.loads(told.removeprefix("not written down yet: "))
    assert line["cost_nano"] == COST_NANO


async def test_content_waits_for_the_key_that_seals_it_till_the_request_ends() -> None:
    sealer = Sealer(b"i" * 8, b"k" * 32, os.urandom)
    rig = Rig(good_stream(), seal_of=lambda _: sealer if rig.provider.sent else None)

    await rig.ask()

    assert (rig.begins[0].input_ref, rig.begins[0].content) == (None, ())
    assert rig.record.input_ref is not None
    assert rig.record.content_state == ContentState.FULL
    assert {it.codec for it in rig.finishes[0].content} >= {"raw+a256gcm"}


async def test_content_that_cannot_be_sealed_is_not_kept_but_what_it_cost() -> None:
    rig = Rig(good_stream(), seal_of=lambda _: None)

    await rig.ask()

    assert (rig.begins[0].content, rig.finishes[0].content) == ((), ())
    assert (rig.record.input_ref, rig.record.output_ref) == (None, None)
    assert rig.record.content_state == ContentState.TRUNCATED
    assert rig.record.cost_nano == COST_NANO
