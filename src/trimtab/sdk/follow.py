"""Two threads that keep a client's memory fresh: one polls, one listens and says when to.

The poll is the guarantee and the only one that changes anything; a stream that was cut, held back
by a proxy or forged costs freshness at most until the next poll.
"""

import logging
import secrets
import threading
from collections.abc import Callable

from trimtab.domain.errors import PromptUnavailable

SOON_S = 0.05
"""Pause before a poll that should find what others know already; it doubles each time."""

LONGEST_PAUSE_S = 10.0
SHORTEST_PAUSE_S = 0.25
BREATH_S = 0.02
"""Least time between polls, however much the stream says."""

_log = logging.getLogger("trimtab.sdk")
_dice = secrets.SystemRandom()


class Follower:
    """State: two daemon threads, until it is stopped.

    Args:
        poll: Asks for news and acts on them; tells whether there is more to be had soon.
        listen: Calls what it is given whenever there may be news; raises `PromptUnavailable`.
    """

    def __init__(
        self,
        poll: Callable[[], bool],
        listen: Callable[[Callable[[], None]], None],
        poll_s: float,
    ) -> None:
        self._poll, self._listen, self._poll_s = poll, listen, poll_s
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=run, name=f"trimtab-sdk-{name}", daemon=True)
            for name, run in (("poll", self._polling), ("listen", self._listening))
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def nudge(self) -> None:
        """Have it poll now."""
        self._wake.set()

    def stop(self, hang_up: Callable[[], None], most_s: float) -> None:
        """End, once what is being asked is answered or its time is up."""
        self._stopped.set()
        self._wake.set()
        hang_up()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(most_s)

    def _polling(self) -> None:
        soon_s = SOON_S
        while not self._stopped.is_set():
            self._wake.clear()
            more = False
            try:
                more = self._poll()
            # The edge of a thread: a bug must not end what keeps texts fresh.
            except Exception:  # noqa: BLE001
                _log.exception("a poll of the prompt registry failed; trying again")
            self._stopped.wait(BREATH_S)
            pause_s = min(soon_s, self._poll_s) if more else self._poll_s
            soon_s = 2 * pause_s if more else SOON_S
            self._wake.wait(pause_s * _dice.uniform(0.8, 1.0))

    def _listening(self) -> None:
        pause_s = SHORTEST_PAUSE_S
        while not self._stopped.is_set():
            heard = threading.Event()

            def hear(heard: threading.Event = heard) -> None:
                heard.set()
                self._wake.set()

            try:
                self._listen(hear)
            except PromptUnavailable as exc:
                _log.debug("the stream of the prompt registry ended: %s", exc)
            pause_s = SHORTEST_PAUSE_S if heard.is_set() else min(2 * pause_s, LONGEST_PAUSE_S)
            self._stopped.wait(pause_s * _dice.uniform(0.5, 1.0))
