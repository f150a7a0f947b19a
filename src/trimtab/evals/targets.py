"""Targets that are no prompt: a function, a service, a program. All are told the same.

Each is given the input of the case and the version of the prompt to use, and gives a text, or an
object of `text` and what it `retrieved`.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Protocol, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid, UpstreamFailed
from trimtab.domain.evaluation import CURRENT, HEADER, Evaluation
from trimtab.domain.prompt import digest
from trimtab.evals.answering import TARGET_FAILED, UNREADABLE, Said
from trimtab.evals.calling import AWAY, OK, Reply
from trimtab.evals.case import Case
from trimtab.evals.metrics.base import MOST_DETAIL
from trimtab.evals.purse import Purse
from trimtab.evals.throttle import Throttle

LONGEST_S = 600.0
VERSION = "prompt_version"

Function = Callable[..., object]


class Posting(Protocol):
    """Sends a body to a URL."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Give the answer, whatever its status. Raises `UpstreamFailed` if there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What every target is run under.

    Attributes:
        version: Of the prompt that the target shall use; `None` is its own choice.
        url: The gateway of the run, with a key for it.
    """

    throttle: Throttle
    purse: Purse
    clock: Clock
    version: str | None
    url: str
    key: str

    async def take(self, place: str, asking: Callable[[Evaluation], Awaitable[Said]]) -> Said:
        """Ask once it is its turn. Raises `TryLater` if the run was stopped."""
        async with self.throttle.slot():
            self.purse.check()
            started_s = self.clock.monotonic_s()
            told = await asking(Evaluation(url=self.url, key=self.key, place=place))
            if told.missed:
                self.purse.missed()
            else:
                self.purse.answered()
                self.throttle.good()
                self.purse.pay(None, judging=False)
            return replace(told, latency_s=self.clock.monotonic_s() - started_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfFunction:
    """Calls `answer(**input, prompt_version=...)`; one that is not async runs in a thread."""

    function: Function
    turn: Turn
    threads: Executor

    async def answer(self, case: Case, *, place: str) -> Said:
        """See `Answering.answer`."""
        return await self.turn.take(place, partial(self._ask, case))

    async def _ask(self, case: Case, current: Evaluation) -> Said:
        token = CURRENT.set(current)
        try:
            call = partial(self.function, **case.input, **{VERSION: self.turn.version})
            if inspect.iscoroutinefunction(self.function):
                told = await cast("Awaitable[object]", call())
            else:
                loop = asyncio.get_running_loop()
                told = await loop.run_in_executor(self.threads, copy_context().run, call)
        # An edge: whatever the application raises is what came of this one case.
        except Exception as exc:  # noqa: BLE001
            return Said(
                error=TARGET_FAILED, error_detail=f"{type(exc).__name__}: {exc}"[:MOST_DETAIL]
            )
        finally:
            CURRENT.reset(token)
        return _read(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfService:
    """POSTs the input as JSON."""

    url: str
    turn: Turn
    posting: Posting

    async def answer(self, case: Case, *, place: str) -> Said:
        """See `Answering.answer`."""
        return await self.turn.take(place, partial(self._ask, case))

    async def _ask(self, case: Case, current: Evaluation) -> Said:
        try:
            reply = await self.posting.post(
                self.url, _asked(case, self.turn.version), {HEADER: current.place}
            )
        except UpstreamFailed as exc:
            return Said(error=exc.code, error_detail=str(exc), missed=True)
        if reply.status != OK:
            away = reply.status in AWAY
            return Said(
                error=TARGET_FAILED, error_detail=f"it answered {reply.status}", missed=away
            )
        return _decoded(reply.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfProgram:
    """Runs a program, without a shell, with the input as JSON on its standard input.

    Attributes:
        environ: Its environment, to which gateway, key and place are added.
    """

    command: tuple[str, ...]
    turn: Turn
    environ: Mapping[str, str]
    folder: Path

    async def answer(self, case: Case, *, place: str) -> Said:
        """See `Answering.answer`."""
        return await self.turn.take(place, partial(self._ask, case))

    async def _ask(self, case: Case, current: Evaluation) -> Said:
        told = {
            "TRIMTAB_URL": current.url,
            "TRIMTAB_API_KEY": current.key,
            "TRIMTAB_EVAL": current.place,
        }
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                cwd=self.folder,
                env={**self.environ, **told},
            )
        except OSError as exc:
            return Said(error=TARGET_FAILED, error_detail=f"it cannot be run: {exc.strerror}")
        try:
            async with asyncio.timeout(LONGEST_S):
                out, err = await process.communicate(_asked(case, self.turn.version))
        except TimeoutError:
            return Said(error=TARGET_FAILED, error_detail=f"it ran for more than {LONGEST_S:g} s")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            last = err.decode("utf-8", "replace").strip().rpartition("\n")[2]
            detail = f"it ended with {process.returncode}: {last}"
            return Said(error=TARGET_FAILED, error_detail=detail[:MOST_DETAIL])
        return _decoded(out)


def find_function(path: str) -> Function:
    """Import `module:function`. Raises `SettingsInvalid` if there is none."""
    try:
        found = resolve_name(path) if ":" in path else None
    except (ImportError, AttributeError, ValueError, SyntaxError) as exc:
        raise SettingsInvalid(
            f"target {path[:80]!r} cannot be imported ({type(exc).__name__}: {exc}); look at it"
        ) from exc
    if not callable(found):
        raise SettingsInvalid(f"target {path[:80]!r} is no function; write module:function")
    return found


def code_hash(function: Function) -> str | None:
    """Hash the module of a function, hex; `None` if its source is nowhere."""
    try:
        return digest(inspect.getsource(inspect.getmodule(function) or function))
    except (OSError, TypeError):
        return None


def program_hash(command: tuple[str, ...], folder: Path) -> str:
    """Hash a command, with those of its words that are files, hex."""
    files = [folder / it for it in command]
    return digest(
        "\0".join(it.read_text("utf-8", "replace") if it.is_file() else str(it) for it in files)
    )


class _Told(Struct, frozen=True):
    text: str
    retrieved: tuple[str, ...] | None = None


def _asked(case: Case, version: str | None) -> bytes:
    more = {} if version is None else {VERSION: version}
    return msgspec.json.encode({**case.input, **more})


def _decoded(data: bytes) -> Said:
    """Read an object with a `text`; whatever is none is the text itself."""
    text = data.decode("utf-8", "replace").strip()
    try:
        found = msgspec.json.decode(text, type=_Told)
    except msgspec.DecodeError:
        return Said(text=text)
    return Said(text=found.text, retrieved=found.retrieved)


def _read(told: object) -> Said:
    if isinstance(told, str):
        return Said(text=told)
    try:
        found = msgspec.convert(told, type=_Told, from_attributes=True)
    except msgspec.ValidationError as exc:
        detail = f"it gave a {type(told).__name__} ({exc}); give a text, or `text` and `retrieved`"
        return Said(error=UNREADABLE, error_detail=detail)
    return Said(text=found.text, retrieved=found.retrieved)
