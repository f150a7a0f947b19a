"""Fakes for tests, ours and our users': small real classes, judged by the contract suites."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from trimtab.domain.errors import RecorderUnavailable, TrimtabError
from trimtab.domain.ids import Entropy
from trimtab.domain.transport import ConnectionLost, Origin, Poked, Response
from trimtab.evals.calling import Reply as CallReply
from trimtab.evals.judging import Fault, JudgeError, Question, Unreadable, V
from trimtab.pipeline.reply import Facts
from trimtab.telemetry.frames import Kind

__all__ = [
    "FrozenClock",
    "MemorySpool",
    "RecordingReply",
    "ScriptedAnswer",
    "ScriptedEmbedder",
    "ScriptedGateway",
    "ScriptedJudge",
    "ScriptedProvider",
    "seeded_entropy",
]


class FrozenClock:
    """A clock that moves only when told."""

    def __init__(self, now_us: int = 1_767_225_600_000_000) -> None:
        self._now_us = now_us
        self._monotonic_s = 0.0

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return self._now_us

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Move both times on."""
        self._now_us += round(seconds * 1e6)
        self._monotonic_s += seconds


def seeded_entropy(seed: int = 7) -> Entropy:
    """Give random bytes that are the same in every run."""
    # Repeatable on purpose: nothing made of it is a secret.
    return random.Random(seed).randbytes  # noqa: S311


class MemorySpool:
    """A spool in a list. `full` makes every write fail, as a full disk would."""

    def __init__(self) -> None:
        self.frames: list[tuple[Kind, bytes]] = []
        self.notes: dict[str, int] = {}
        self.full = False

    def append(self, kind: Kind, payload: bytes) -> int:
        """Keep a frame."""
        if self.full:
            raise RecorderUnavailable("the spool is full; free some space")
        self.frames.append((kind, payload))
        return len(self.frames)

    async def synced(self, offset: int) -> None:
        """Nothing to wait for."""

    def note(self, reason: str) -> None:
        """Count."""
        self.notes[reason] = self.notes.get(reason, 0) + 1


class ScriptedAnswer:
    """An answer in blocks. An exception among the blocks is raised in its place.

    A `None` among the blocks is silence until the answer is closed.
    """

    def __init__(
        self,
        blocks: Iterable[bytes | Exception | None],
        *,
        status: int = 200,
        content_type: bytes = b"text/event-stream",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.status = status
        self.headers = ((b"content-type", content_type), *headers)
        self.closed = False
        self._blocks = deque(blocks)
        self._silence = asyncio.Event()
        self._poked = False

    async def read(self) -> bytes:
        """See `Response.read`."""
        await asyncio.sleep(0)
        if self.closed:
            raise ConnectionLost("closed", before_headers=False)
        if not self._blocks:
            return b""
        block = self._blocks.popleft()
        if block is None:
            await self._silence.wait()
            self._silence.clear()
            if self._poked:
                self._poked = False
                self._blocks.appendleft(None)
                raise Poked
            raise ConnectionLost("closed", before_headers=False)
        if isinstance(block, Exception):
            raise block
        return block

    async def body(self) -> bytes:
        """See `Response.body`."""
        data = b""
        while block := await self.read():
            data += block
        return data

    def poke(self) -> None:
        """See `Response.poke`."""
        self._poked = True
        self._silence.set()

    def close(self) -> None:
        """See `Response.close`."""
        self.closed = True
        self._poked = False
        self._silence.set()


class ScriptedProvider:
    """A transport that answers from a script and remembers what it was sent."""

    def __init__(self, *answers: ScriptedAnswer | Exception) -> None:
        self.sent: list[tuple[Origin, bytes, bytes]] = []
        self.answers = deque(answers)

    async def send(
        self, origin: Origin, head: bytes, body: bytes, *, connect_timeout_s: float
    ) -> Response:
        """See `Transport.send`."""
        _ = connect_timeout_s
        self.sent.append((origin, head, body))
        answer = self.answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer


class RecordingReply:
    """A caller who remembers what came, and who may be gone after some pieces of a stream.

    Attributes:
        calls: Names of the methods called, in order.
        data: Bytes of the stream, or the whole body.
        error: Why it was refused, or its stream was cut.
        told: Whether a cut stream holds the provider's own error already.
    """

    def __init__(self, *, hang_up_after: int | None = None) -> None:
        self.calls: list[str] = []
        self.data = b""
        self.error: TrimtabError | None = None
        self.told = False
        self.facts: Facts | None = None
        self.gone = False
        self._pieces_left = hang_up_after
        self._act: Callable[[], None] | None = None

    def when_gone(self, act: Callable[[], None]) -> None:
        """See `Reply.when_gone`."""
        self._act = act
        if self.gone:
            act()

    def hang_up(self) -> None:
        """Be gone."""
        self.gone = True
        if self._act is not None:
            self._act()

    async def whole(self, body: bytes, facts: Facts) -> None:
        """See `Reply.whole`."""
        self._take("whole", body, facts)

    async def begin_stream(self, facts: Facts) -> None:
        """See `Reply.begin_stream`."""
        self._take("begin_stream", b"", facts)

    async def write(self, data: bytes) -> None:
        """See `Reply.write`."""
        await asyncio.sleep(0)
        self._take("write", data, self.facts)
        if self._pieces_left is not None:
            self._pieces_left -= 1
            if self._pieces_left == 0:
                self.hang_up()

    async def end_stream(self, terminal: bytes, facts: Facts) -> None:
        """See `Reply.end_stream`."""
        self._take("end_stream", terminal, facts)

    async def refuse(self, error: TrimtabError, facts: Facts) -> None:
        """See `Reply.refuse`."""
        self.error = error
        self._take("refuse", b"", facts)

    async def cut(self, error: TrimtabError, *, told: bool, facts: Facts) -> None:
        """See `Reply.cut`."""
        self.error, self.told = error, told
        self._take("cut", b"", facts)

    def _take(self, call: str, data: bytes, facts: Facts | None) -> None:
        self.calls.append(call)
        self.facts = facts
        if not self.gone:
            self.data += data


class ScriptedJudge:
    """A judge that says what it is told to, for each step of the metrics.

    A step has texts, said in turn, or a function from the question to a text. An exception among
    them is raised. As with a real judge, a text that cannot be read is followed by another try.
    """

    def __init__(
        self,
        script: Mapping[str, Iterable[str | Exception] | Callable[[Question[Any]], str]],
    ) -> None:
        self.asked: list[Question[Any]] = []
        self._script = {
            step: said if callable(said) else _in_turn(said) for step, said in script.items()
        }

    async def ask(self, question: Question[V]) -> V:
        """See `Judge.ask`."""
        try:
            return question.read(self._say(question))
        except Unreadable:
            pass
        try:
            return question.read(self._say(question))
        except Unreadable as exc:
            raise JudgeError(Fault.UNREADABLE, str(exc)) from exc

    def _say(self, question: Question[Any]) -> str:
        self.asked.append(question)
        return self._script[question.step](question)


class ScriptedEmbedder:
    """An embedding model that knows the vectors of some texts."""

    def __init__(self, vectors: Mapping[str, Sequence[float]], model: str = "scripted-1") -> None:
        self.model = model
        self.asked: list[str] = []
        self._vectors = vectors

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """See `Embedder.embed`."""
        self.asked += texts
        return [self._vectors[it] for it in texts]


class ScriptedGateway:
    """A gateway that gives each call what a function makes of its place and body.

    An exception that the function gives is raised.

    Attributes:
        called: Path, body and place of each call.
        most_at_once: How many calls ran at once at most.
    """

    def __init__(
        self,
        answer: Callable[[str, Any], CallReply | Exception],
        *,
        latency_s: float = 0.0,
    ) -> None:
        self.called: list[tuple[str, bytes, str]] = []
        self.most_at_once = 0
        self._answer = answer
        self._latency_s = latency_s
        self._running = 0

    @property
    def places(self) -> list[str]:
        """The place of each call."""
        return [place for _, _, place in self.called]

    async def call(self, path: str, body: bytes, *, place: str) -> CallReply:
        """See `evals.calling.Gateway.call`."""
        self.called.append((path, body, place))
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)
        try:
            await asyncio.sleep(self._latency_s)
            told = self._answer(place, msgspec.json.decode(body))
        finally:
            self._running -= 1
        if isinstance(told, Exception):
            raise told
        return told


def _in_turn(said: Iterable[str | Exception]) -> Callable[[Question[Any]], str]:
    left = deque(said)

    def say(question: Question[Any]) -> str:
        if not left:
            raise AssertionError(f"nothing is left to say to {question.step}")
        text = left.popleft()
        if isinstance(text, Exception):
            raise text
        return text

    return say
