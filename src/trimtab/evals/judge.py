"""The judge behind the gateway: renders, asks, reads, repairs once, and remembers.

What the candidate says gets between fences that it cannot know, for their keys are made of the hash
of all that it says. Nothing that the judge answered is shown to it again outside of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from trimtab.domain.prompt import canonical, digest
from trimtab.domain.rendering import Compiled
from trimtab.evals.asking import Asking
from trimtab.evals.cache import Cache, Entry, Key, Said
from trimtab.evals.calling import CHAT, Reply
from trimtab.evals.flight import SingleFlight
from trimtab.evals.judging import Fault, JudgeError, Question, Unreadable
from trimtab.evals.naming import Naming, Tally, answered_by
from trimtab.evals.suite import JudgeSetting

V = TypeVar("V", bound=Struct)

MOST_WHY = 300

_FILTERED = "content_filter"
_QUOTED = re.compile(r"['\"].*['\"]", re.DOTALL)
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
_NULL = Raw(b"null")


class _Message(Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(Struct):
    choices: tuple[_Choice, ...]
    model: str = ""
    usage: Raw = _NULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Court:
    """A judge whose calls carry any place. State: the answers that are being waited for.

    Attributes:
        prompts: Judge prompts by name, ready to render.
        place: Of calls that belong to no case.
    """

    setting: JudgeSetting
    prompts: Mapping[str, Compiled]
    naming: Naming
    asking: Asking
    cache: Cache
    tally: Tally
    place: str
    _flights: SingleFlight[str] = field(default_factory=SingleFlight[str])

    async def answer(self, question: Question[V], place: str) -> V:
        """See `Judge.ask`."""
        prompt = self.prompts.get(question.prompt)
        if prompt is None:
            raise JudgeError(Fault.UNAVAILABLE, f"there is no judge prompt {question.prompt!r}")
        model = await self.naming.resolved(self._probe)
        key = key_of(question, prompt, model, self.setting)
        name = key.name
        remembered = self._remembered(key, question)
        if remembered is not None:
            self.naming.answered.add(model)
            self.tally.remembered += 1
            return remembered
        shared = name in self._flights
        said = await self._flights.once(name, lambda: self._ask(question, prompt, key, place))
        self.tally.remembered += shared
        return _verdict(said, question)

    def _remembered(self, key: Key, question: Question[V]) -> V | None:
        entry = self.cache.get(key)
        try:
            return None if entry is None else question.read(bytes(entry.parsed).decode())
        except Unreadable:
            # by an older reading of the same question
            return None

    async def _ask(self, question: Question[V], prompt: Compiled, key: Key, place: str) -> str:
        """Ask, and once more if the answer cannot be read; give the verdict as JSON."""
        messages = _messages(question, prompt)
        first = await self._send(messages, prompt, place)
        try:
            answer = _read(first, question)
        except Unreadable as exc:
            messages.append({"role": "user", "content": _repair(exc)})
            second = await self._send(messages, prompt, place)
            answer = _read_last(second, question)
            answer = replace(answer, cost_nano=_sum(first.cost_nano, second.cost_nano))
        judge_model = self.naming.said(answer.by)
        self.cache.put(
            Entry(
                key=replace(key, judge_model=judge_model),
                response=answer.said,
                parsed=answer.parsed,
                usage=answer.usage,
                cost_nano=answer.cost_nano,
                at=self.cache.now(),
            )
        )
        return bytes(answer.parsed).decode()

    async def _send(
        self, messages: Sequence[Mapping[str, str]], prompt: Compiled, place: str
    ) -> Reply:
        body: dict[str, object] = {
            "model": self.setting.model,
            "messages": messages,
            "temperature": self.setting.temperature,
            "max_tokens": self.setting.max_tokens,
        }
        schema = prompt.content.output_schema
        if schema is not None:
            name = _NOT_A_NAME.sub("_", prompt.version.name)
            form = {"name": name, "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return await self.asking.send(CHAT, msgspec.json.encode(body), place)

    async def _probe(self) -> str:
        body = {
            "model": self.setting.model,
            "messages": [{"role": "user", "content": "Say ok."}],
            "max_tokens": 16,
        }
        reply = await self.asking.send(CHAT, msgspec.json.encode(body), self.place)
        try:
            return answered_by(reply, _completion(reply).model)
        except Unreadable as exc:
            raise JudgeError(Fault.UNREADABLE, str(exc)) from exc


@dataclass(frozen=True, slots=True)
class GatewayJudge:
    """The judge of one place: its calls carry the case that they are for."""

    court: Court
    place: str

    async def ask(self, question: Question[V]) -> V:
        """See `Judge.ask`."""
        return await self.court.answer(question, self.place)


class _Answer(Struct, frozen=True, kw_only=True):
    """A verdict with where it came from."""

    said: Said
    parsed: Raw
    usage: Raw
    by: str
    cost_nano: int | None


def key_of(question: Question[Any], prompt: Compiled, model: str, setting: JudgeSetting) -> Key:
    """Name all that the answer to a question depends on.

    The hash of the prompt is over its version and its variables, not over the rendered text: there,
    two questions could be one text, if one of them quotes the other's words between variables.
    """
    others = {name: it for name, it in question.variables.items() if name not in question.candidate}
    return Key(
        judge_model=model,
        judge_prompt_hash=digest(canonical([prompt.version.hash, others])),
        candidate_output_hash=digest(question.candidate_text),
        step=question.step,
        sample_index=question.sample_index,
        params={
            "temperature": setting.temperature,
            "max_tokens": setting.max_tokens,
            "schema": digest(canonical(prompt.content.output_schema)),
        },
    )


def _messages(question: Question[Any], prompt: Compiled) -> list[dict[str, str]]:
    """Render a question. The same one gives the same bytes, and no answer holds its own fence."""
    seed = [digest(question.candidate_text), question.step, question.sample_index]
    rendered = prompt.render(question.variables, nonce=sha256(canonical(seed).encode()).digest())
    return [{"role": it.role.value, "content": it.content} for it in rendered.messages]


def _completion(reply: Reply) -> _Completion:
    try:
        return msgspec.json.decode(reply.body, type=_Completion)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise Unreadable("the answer is no chat completion") from exc


def _read(reply: Reply, question: Question[Any]) -> _Answer:
    """Read an answer; raises `Unreadable`, and `JudgeError` if it is none."""
    completion = _completion(reply)
    if not completion.choices:
        raise Unreadable("the answer is empty")
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == _FILTERED:
        raise JudgeError(Fault.REFUSED, "the judge refused to answer; look at its request's record")
    if choice.finish_reason == "length":
        raise JudgeError(
            Fault.TRUNCATED, "the answer of the judge was cut off; raise `judge.max_tokens`"
        )
    text = choice.message.content or ""
    parsed = msgspec.json.encode(question.read(text))
    return _Answer(
        said=Said(text=text, model=completion.model, request_id=reply.request_id),
        parsed=Raw(parsed),
        usage=completion.usage,
        by=answered_by(reply, completion.model),
        cost_nano=reply.cost_nano,
    )


def _read_last(reply: Reply, question: Question[Any]) -> _Answer:
    try:
        return _read(reply, question)
    except Unreadable as exc:
        raise JudgeError(Fault.UNREADABLE, str(exc)) from exc


def _verdict(text: str, question: Question[V]) -> V:
    try:
        return question.read(text)
    except Unreadable as exc:
        raise JudgeError(Fault.UNREADABLE, str(exc)) from exc


def _repair(fault: Unreadable) -> str:
    """Say what was wrong, without a word of what was said: that may be the candidate's."""
    why = _QUOTED.sub("'...'", str(fault))[:MOST_WHY]
    return f"Your answer could not be used: {why}. Answer once more, with JSON alone."


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
