"""What an app tells the gateway, sent from a thread of its own: the app does not wait for it.

When the gateway is away, what is told waits, up to a bound; then it is dropped and counted.
"""

import contextlib
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from trimtab.sdk.http import JSON, NoAnswer, Wire

MOST = 2_048
AT_ONCE = 512
WAIT_S = 0.05
GATHER_S = 0.1
TIMEOUT_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S, LEAST_PAUSE_S = 0.5, 10.0, 0.05

_OK = range(200, 300)
_LATER = (408, 429, 500, 502, 503, 504)

log = logging.getLogger("trimtab.sdk")

T = TypeVar("T")


class Outbox(Generic[T]):
    """Takes things of one kind and sends them, oldest first.

    State: what waits and what is being sent, the thread that sends, whether whoever has something
    to tell waits for room no more, and who is in a hurry.

    Attributes:
        dropped: How many were not sent, since the process began.
    """

    def __init__(
        self,
        wire: Wire,
        target: str,
        write: Callable[[Sequence[T]], bytes],
        *,
        media_type: str = JSON,
        most: int = MOST,
        at_once: int = AT_ONCE,
    ) -> None:
        self._wire, self._target, self._write, self._media_type = wire, target, write, media_type
        self._most, self._at_once = most, at_once
        self.dropped = 0
        self._begin()
        _outboxes.add(self)

    def put(self, thing: T) -> None:
        """Take one. If there is no room, wait 50 ms at most, once until something was sent."""
        with self._changed:
            if not self._has_room() and not self._stuck:
                self._stuck = not self._changed.wait_for(self._has_room, WAIT_S)
            if not self._has_room() or not self._is_sending():
                self.dropped += 1
                return
            self._waiting.append(thing)
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Send all there is; tells whether that was done in time."""
        with self._changed:
            self._hurry += 1
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._waiting and not self._sent, timeout_s)
            self._hurry -= 1
        return done

    def after_fork(self) -> None:
        """Leave the parent what it has to tell, and begin anew."""
        self.dropped = 0
        self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._waiting = deque[T]()
        self._sent: Sequence[T] = ()
        self._thread: threading.Thread | None = None
        self._stuck = False
        self._hurry = 0

    def _has_room(self) -> bool:
        return len(self._waiting) < self._most

    def _is_sending(self) -> bool:
        """Start the thread, if there is none; a process that ends starts none."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=f"outbox {self._target}", daemon=True)
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread
        return self._thread is not None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                self._changed.wait_for(lambda: self._hurry or self._is_full(), GATHER_S)
                n = min(self._at_once, len(self._waiting))
                self._sent = [self._waiting.popleft() for _ in range(n)]
                self._changed.notify_all()
            was_sent = self._deliver(self._sent)
            with self._changed:
                self.dropped += 0 if was_sent else n
                self._sent, self._stuck = (), False
                self._changed.notify_all()

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._at_once

    def _deliver(self, things: Sequence[T]) -> bool:
        body, pause_s = self._write(things), FIRST_PAUSE_S
        while True:
            status = self._ask(body)
            if status in _OK:
                return True
            if status not in _LATER:
                log.warning("POST %s was answered %d; it is not sent again", self._target, status)
                return False
            with self._changed:
                self._changed.wait_for(lambda: self._hurry, pause_s)
                # In a hurry it is tried often, and not without a pause.
                self._changed.wait_for(lambda: False, LEAST_PAUSE_S)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _ask(self, body: bytes) -> int:
        try:
            return self._wire.ask(self._target, JSON, TIMEOUT_S, body, self._media_type).status
        except NoAnswer:
            return _LATER[-1]


_outboxes = weakref.WeakSet[Outbox[Any]]()


def _after_fork() -> None:
    for outbox in tuple(_outboxes):
        outbox.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
