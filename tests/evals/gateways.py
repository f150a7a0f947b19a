"""A gateway with a judge behind it that says what a test tells it to, and a judge of one suite."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from trimtab.domain.rendering import PURE_ENGINES, Compiled, compile_version
from trimtab.evals.asking import Asking
from trimtab.evals.cache import Cache
from trimtab.evals.calling import Reply
from trimtab.evals.judge import Court, GatewayJudge
from trimtab.evals.judging import judge_prompts
from trimtab.evals.naming import Naming, Tally
from trimtab.evals.suite import JudgeSetting
from trimtab.registry.format import read_file
from trimtab.testing import FrozenClock

MODEL = "sim/judge-2026-01-15"
PLACE = "ev_1/q-1/judge/0"

Say = Callable[[Mapping[str, Any]], "str | Reply | Exception"]


def completion(text: str | None, **members: Any) -> Reply:  # noqa: ANN401
    """A good answer; `members` are of the choice, of the message, or the model."""
    message = {"role": "assistant", "content": text, "refusal": members.get("refusal")}
    choice = {"index": 0, "message": message, "finish_reason": members.get("finish", "stop")}
    model = members.get("model", MODEL)
    body = {
        "id": "c",
        "model": model.partition("/")[2],
        "choices": [choice],
        "usage": {"prompt_tokens": 9},
    }
    return Reply(
        status=200, body=json.dumps(body).encode(), request_id="r_1", cost_nano=7, model=model
    )


def refused(status: int, code: str = "x", wait_s: float | None = None) -> Reply:
    """An answer that is an error."""
    body = json.dumps({"error": {"code": code, "message": "no"}}).encode()
    return Reply(status=status, body=body, retry_after_s=wait_s)


class ChatGateway:
    """Gives one answer after the other, the last for ever. State: the calls it got."""

    def __init__(self, *say: "Say | str | Reply | Exception") -> None:
        self.bodies: list[dict[str, Any]] = []
        self.places: list[str] = []
        self._say = list(say)

    async def call(self, path: str, body: bytes, *, place: str) -> Reply:
        """See `Gateway.call`."""
        del path
        await asyncio.sleep(0)
        read = json.loads(body)
        self.bodies.append(read)
        self.places.append(place)
        say = self._say.pop(0) if len(self._say) > 1 else self._say[0]
        said = say(read) if callable(say) else say
        if isinstance(said, Exception):
            raise said
        return completion(said) if isinstance(said, str) else said

    @property
    def calls(self) -> int:
        """How many it got."""
        return len(self.bodies)


def compiled(text: str) -> Compiled:
    """A judge prompt of a file, ready to render."""
    file = read_file(text, "p.prompt.yaml")
    return compile_version(file.published_as(file.content), PURE_ENGINES)


OURS = {name: compiled(text) for name, text in judge_prompts().items()}


def kept(folder: Path) -> list[Path]:
    """Files of a cache, those of names too."""
    return sorted(folder.rglob("*.json"))


async def no_sleep(_seconds: float) -> None:
    """Time does not matter."""


def court_of(gateway: ChatGateway, folder: Path, **members: Any) -> Court:  # noqa: ANN401
    """Build what a judge is made of; `members` are other parts of it."""
    setting = members.get("setting", JudgeSetting(model="judge-pinned"))
    cache = members.get("cache") or Cache(folder, FrozenClock())
    tally = Tally()
    known = members.get("known", MODEL)
    return Court(
        setting=setting,
        prompts=members.get("prompts", OURS),
        naming=Naming(name=setting.model, known=known, cache=cache, tally=tally),
        asking=Asking(gateway, Random(7), no_sleep),  # noqa: S311
        cache=cache,
        tally=tally,
        place="ev_1/probe/judge/0",
    )


def judge_of(gateway: ChatGateway, folder: Path, **members: Any) -> GatewayJudge:  # noqa: ANN401
    """Build a judge."""
    return GatewayJudge(court_of(gateway, folder, **members), PLACE)
