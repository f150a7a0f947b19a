import asyncio

import pytest
from msgspec import Struct

from trimtab import testing
from trimtab.domain.errors import RecorderUnavailable, StreamTruncated
from trimtab.domain.transport import ConnectionLost, Origin
from trimtab.evals.judging import Fault, JudgeError, Question
from trimtab.pipeline.reply import Facts
from trimtab.telemetry.frames import Kind
from trimtab.testing import (
    FrozenClock,
    MemorySpool,
    RecordingReply,
    ScriptedAnswer,
    ScriptedEmbedder,
    ScriptedJudge,
    ScriptedProvider,
    seeded_entropy,
)

FACTS = Facts(request_id="r_1", trace_id="ab")


def test_what_is_public_is_sorted_and_there() -> None:
    assert testing.__all__ == sorted(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)


def test_a_frozen_clock_moves_only_when_told() -> None:
    clock = FrozenClock()
    before = clock.now_us(), clock.monotonic_s()

    assert (clock.now_us(), clock.monotonic_s()) == before
    clock.advance(1.5)
    assert (clock.now_us() - before[0], clock.monotonic_s()) == (1_500_000, 1.5)


def test_seeded_bytes_are_the_same_in_every_run() -> None:
    assert seeded_entropy(1)(8) == seeded_entropy(1)(8) != seeded_entropy(2)(8)


def test_a_full_spool_takes_nothing() -> None:
    spool = MemorySpool()
    spool.append(Kind.BEGIN, b"1")
    spool.full = True

    with pytest.raises(RecorderUnavailable):
        spool.append(Kind.BEGIN, b"2")

    assert spool.frames == [(Kind.BEGIN, b"1")]


async def test_a_scripted_provider_remembers_what_it_was_sent() -> None:
    first, second = ScriptedAnswer([b"a", b"b"]), ConnectionLost("x", before_headers=True)
    provider = ScriptedProvider(first, second)
    origin = Origin(scheme="http", host="h")

    answer = await provider.send(origin, b"head", b"body", connect_timeout_s=1)
    with pytest.raises(ConnectionLost):
        await provider.send(origin, b"head", b"body", connect_timeout_s=1)

    assert await answer.body() == b"ab"
    assert provider.sent == [(origin, b"head", b"body")] * 2


async def test_silence_lasts_until_the_answer_is_closed() -> None:
    answer = ScriptedAnswer([None])
    reading = asyncio.ensure_future(answer.read())
    await asyncio.sleep(0)
    assert not reading.done()

    answer.close()

    with pytest.raises(ConnectionLost):
        await reading


async def test_a_recording_reply_remembers_what_came_until_it_is_gone() -> None:
    acts: list[str] = []
    reply = RecordingReply(hang_up_after=2)
    reply.when_gone(lambda: acts.append("gone"))

    await reply.begin_stream(FACTS)
    for piece in (b"a", b"b", b"c"):
        await reply.write(piece)
    await reply.cut(StreamTruncated("cut"), told=True, facts=FACTS)

    assert (reply.data, reply.gone, acts) == (b"ab", True, ["gone"])
    assert reply.calls == ["begin_stream", "write", "write", "write", "cut"]
    assert isinstance(reply.error, StreamTruncated)
    assert reply.told


def test_one_who_asks_a_recording_reply_after_the_hang_up_is_told_at_once() -> None:
    acts: list[str] = []
    reply = RecordingReply()
    reply.hang_up()

    reply.when_gone(lambda: acts.append("gone"))

    assert acts == ["gone"]


class Rated(Struct, frozen=True):
    score: int


async def test_a_scripted_judge_says_what_it_is_told_and_remembers_what_it_was_asked() -> None:
    judge = ScriptedJudge(
        {
            "a": ['{"score": 1}', "no", '{"score": 2}', JudgeError(Fault.REFUSED, "will not")],
            "b": lambda question: f'{{"score": {question.sample_index}}}',
        }
    )

    def ask(step: str, sample: int = 0) -> Question[Rated]:
        return Question(
            step=step, prompt="p", variables={}, candidate=(), verdict=Rated, sample_index=sample
        )

    assert (await judge.ask(ask("a"))).score == 1
    assert (await judge.ask(ask("a"))).score == 2
    with pytest.raises(JudgeError, match="will not"):
        await judge.ask(ask("a"))
    with pytest.raises(AssertionError, match="nothing is left to say to a"):
        await judge.ask(ask("a"))
    assert (await judge.ask(ask("b", 7))).score == 7
    assert [it.step for it in judge.asked] == ["a"] * 5 + ["b"]


async def test_a_scripted_embedder_knows_the_vectors_it_was_given() -> None:
    embedder = ScriptedEmbedder({"a": [1.0], "b": [2.0]})

    assert await embedder.embed(["b", "a"]) == [[2.0], [1.0]]
    assert (embedder.asked, embedder.model) == (["b", "a"], "scripted-1")
