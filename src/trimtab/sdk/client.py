"""The client of a registry: it always has the text it had, and says how old its knowledge is.

Memory is kept fresh from behind, so a render that is warm asks nobody.
"""

import asyncio
import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

from semver import Version

from trimtab.domain.clock import Clock
from trimtab.domain.errors import InvalidRequest, NotAVersion
from trimtab.domain.prompt import LABEL, NAME, PRODUCTION
from trimtab.sdk.answers import Place
from trimtab.sdk.clock import SystemClock
from trimtab.sdk.disk import Disk
from trimtab.sdk.follow import Follower
from trimtab.sdk.ladder import Ladder
from trimtab.sdk.lock import Lock, load_lock
from trimtab.sdk.memory import Held, Memory
from trimtab.sdk.prompt import Prompt, Source
from trimtab.sdk.registry import Registry
from trimtab.sdk.render import Found, question, render_here, rendered_there

MAX_STALE_S = 30.0
POLL_S = 2.0
TIMEOUT_S = 3.0
REVALIDATE_S = 0.05
_GRACE_S = 0.25

_log = logging.getLogger("trimtab.sdk")


class Prompts:
    """The prompts of a registry. Threads may share it, and a fork may go on using it.

    State: what it holds, two threads that keep it fresh from the first use on, and what is being
    asked for right now.

    Args:
        url: Address of a gateway, `http://127.0.0.1:8080`.
        key: A key of the tenant.
        lock: `prompts.lock`, for when nobody else has a text; it is read at once.
        cache_dir: Folder for the last good answers.
        max_stale_s: How old knowledge may be before each render says so.
        poll_s: How often to ask for news; the stream of news makes it sooner.
        timeout_s: How long a registry may take for an answer.
        revalidate_s: How long a render may wait for news after the process slept.

    Raises:
        SettingsInvalid: the address, the key or the lock cannot be used.
    """

    def __init__(  # noqa: PLR0913 -- how a client is set up; all but the first two have a default
        self,
        url: str,
        key: str,
        *,
        lock: Lock | Path | str | None = None,
        cache_dir: Path | str | None = None,
        max_stale_s: float = MAX_STALE_S,
        poll_s: float = POLL_S,
        timeout_s: float = TIMEOUT_S,
        revalidate_s: float = REVALIDATE_S,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._memory = Memory()
        self._registry = Registry(url, key, timeout_s)
        self._ladder = Ladder(
            registry=self._registry,
            memory=self._memory,
            disk=None if cache_dir is None else Disk(Path(cache_dir), url, key),
            lock=lock if isinstance(lock, Lock | None) else load_lock(Path(lock)),
            clock=self._clock,
            max_stale_s=max_stale_s,
        )
        self._max_stale_s, self._poll_s, self._timeout_s = max_stale_s, poll_s, timeout_s
        self._revalidate_s = revalidate_s
        self._mutex = threading.Lock()
        self._asking: dict[Place, Future[Held]] = {}
        self._follower: Follower | None = None
        self._closed = False
        self._no_wait_until_s = float("-inf")
        _clients.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def render(
        self,
        name: str,
        variables: Mapping[str, object],
        *,
        label: str = PRODUCTION,
        version: str | None = None,
        tenant: str | None = None,
        messages: Sequence[Mapping[str, Any]] = (),
    ) -> Prompt:
        """Render a prompt: where a label points, or an exact version.

        A warm client asks nobody, but for engine `jinja`, which renders on the server.

        `messages` is the conversation so far; it goes where the prompt has its placeholder, else
        after it.

        Raises:
            PromptVariablesInvalid: a variable is missing, unknown or not of its schema.
            PromptNotFound, VersionBlocked, PromptUnavailable: see `find`.
        """
        found = self.find(name, label=label, version=version, tenant=tenant)
        return self.render_found(found, variables, tenant=tenant, messages=messages)

    def find(
        self,
        name: str,
        *,
        label: str = PRODUCTION,
        version: str | None = None,
        tenant: str | None = None,
    ) -> Found:
        """Find a version. Only what was never asked for is waited for, `timeout_s` at most.

        Raises:
            PromptNotFound: there is no such prompt or version, or the label points nowhere.
            VersionBlocked: the version may not be used any more.
            NotAVersion, InvalidRequest: what is asked for can be none.
            PromptUnavailable: nobody has it.
        """
        place = _place(name, label, version, tenant)
        held = self._memory.get(place, self._clock.monotonic_s())
        if held is not None:
            self._follow()
            if self._too_old(place, held):
                held = self._revalidated(place)
        if held is None:
            held = self._ask(place)
            return self._found(place, held, held.source)
        source = Source.MEMORY if held.source is Source.LIVE else held.source
        return self._found(place, held, source)

    def render_found(
        self,
        found: Found,
        variables: Mapping[str, object],
        *,
        tenant: str | None = None,
        messages: Sequence[Mapping[str, Any]] = (),
    ) -> Prompt:
        """Render what was found. See `render`."""
        compiled = found.edition.compiled
        if compiled is not None:
            prompt = render_here(found, compiled, variables, messages)
        else:
            there = self._ladder.render_there(
                found.edition.version, question(found, variables, tenant, messages)
            )
            prompt = rendered_there(found, there.messages, there.rendered_hash)
        _log.info(
            "prompt %s@%s hash=%s label=%s scope=%s source=%s age_s=%s stale=%s",
            *(prompt.name, prompt.version, prompt.hash, prompt.label, prompt.scope),
            *(prompt.source, prompt.age_s, prompt.stale),
        )
        return prompt

    def load(self, *names: str, label: str = PRODUCTION, tenant: str | None = None) -> None:
        """Have prompts in memory before they are needed. Raises as `find` does."""
        for name in names:
            self.find(name, label=label, tenant=tenant)

    async def aload(self, *names: str, label: str = PRODUCTION, tenant: str | None = None) -> None:
        """Do the same without holding up an event loop; from then on `render` does not either."""
        await asyncio.to_thread(self.load, *names, label=label, tenant=tenant)

    def close(self) -> None:
        """End its threads. What is in memory is still rendered, and says how old it is."""
        with self._mutex:
            self._closed = True
            follower, self._follower = self._follower, None
        if follower is not None:
            follower.stop(self._registry.wire.hang_up, self._timeout_s)

    def after_fork(self) -> None:
        """Leave the parent its threads and its stream, and start anew."""
        self._mutex = threading.Lock()
        self._asking = {}
        self._follower = None
        self._memory.after_fork()
        self._registry.wire.forget_stream()

    def _ask(self, place: Place) -> Held:
        """Climb the ladder in a thread, so that nothing can hold the caller longer than agreed."""
        if self._closed:
            return self._below(place)
        with self._mutex:
            held = self._memory.get(place, self._clock.monotonic_s())
            if held is not None:
                return held
            asking = self._asking.get(place)
            if asking is None:
                asking = self._asking[place] = Future[Held]()
                threading.Thread(target=self._climb, args=(place, asking), daemon=True).start()
        try:
            held = asking.result(self._timeout_s + _GRACE_S)
        except TimeoutError:
            held = self._below(place)
        self._follow()
        return held

    def _climb(self, place: Place, asking: Future[Held]) -> None:
        try:
            asking.set_result(self._ladder.climb(place))
        except BaseException as exc:  # noqa: BLE001 -- whoever waits raises it
            asking.set_exception(exc)
        finally:
            self._asking.pop(place, None)

    def _below(self, place: Place) -> Held:
        held = self._ladder.below(place)
        if held is None:
            raise self._ladder.nobody(place)
        return held

    def _follow(self) -> None:
        if self._follower is not None or self._closed:
            return
        with self._mutex:
            if self._follower is None and not self._closed:
                self._follower = Follower(self._ladder.refresh, self._listen, self._poll_s)
                self._follower.start()

    def _listen(self, heard: Callable[[], None]) -> None:
        def hear(seq: int) -> None:
            self._ladder.told = max(self._ladder.told, seq)
            heard()

        self._registry.listen(self._memory.cursor or 0, hear)

    def _revalidated(self, place: Place) -> Held | None:
        """Wait for news, if nobody asked for any lately: the process slept."""
        follower, now_s = self._follower, self._clock.monotonic_s()
        asleep_s = max(self._max_stale_s, 2 * self._poll_s + self._timeout_s)
        if follower is not None and now_s - self._ladder.polled_s > asleep_s:
            follower.nudge()
            self._memory.wait(lambda: self._ladder.polled_s >= now_s, self._revalidate_s)
        return self._memory.get(place, now_s)

    def _too_old(self, place: Place, held: Held) -> bool:
        age_s = self._memory.age_s(place, held, self._clock.monotonic_s())
        return age_s is None or age_s > self._max_stale_s

    def _found(self, place: Place, held: Held, source: Source) -> Found:
        age_s = self._memory.age_s(place, held, self._clock.monotonic_s())
        return Found(
            edition=held.edition,
            label=place.label,
            scope=held.scope if place.label is not None else None,
            source=source,
            age_s=age_s,
            stale=age_s is None or age_s > self._max_stale_s,
        )


def _place(name: str, label: str, version: str | None, tenant: str | None) -> Place:
    if NAME.fullmatch(name) is None:
        raise InvalidRequest(f"{name[:64]!r} is no name of a prompt; see the registry's list")
    if version is None:
        if LABEL.fullmatch(label) is None:
            raise InvalidRequest(f"{label[:64]!r} is no label; name one such as {PRODUCTION!r}")
        return Place(name, label=label, tenant=tenant)
    if not Version.is_valid(version):
        raise NotAVersion(f"{version[:64]!r} is no version; write three numbers, or give a label")
    return Place(name, version=version)


_clients = weakref.WeakSet[Prompts]()


def _after_fork() -> None:
    for client in tuple(_clients):
        client.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
