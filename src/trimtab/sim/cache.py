"""Prompt prefixes that an account sent before, as each provider keeps them.

OpenAI keeps prompts of 1,024 tokens and more by itself, in steps of 128
(https://platform.openai.com/docs/guides/prompt-caching). Anthropic keeps what ends at a
breakpoint, and looks back 20 blocks from each for something kept earlier
(https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import blake2b

from trimtab.sim.bill import Usage
from trimtab.sim.request import Mark, Request
from trimtab.sim.text import CHARS_PER_TOKEN, tokens_of

FEWEST_TOKENS = 1_024
STEP_TOKENS = 128
LOOK_BACK = 20
KEPT_S = 300.0
KEPT_LONG_S = 3_600.0
MOST_PREFIXES = 200_000

_FEWEST_CHARS = FEWEST_TOKENS * CHARS_PER_TOKEN
_STEP_CHARS = STEP_TOKENS * CHARS_PER_TOKEN


class PrefixCache:
    """State: hashes of prefixes, each with when it ends and how long it lives unused."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def clear(self) -> None:
        """Forget all prefixes."""
        self._kept.clear()

    def read_automatic(self, account: str, request: Request) -> Usage:
        """Count what OpenAI would report as cached, and keep the prompt."""
        size = len(request.prompt)
        total = tokens_of(request.prompt)
        if size < _FEWEST_CHARS:
            return Usage(input=total)
        prefixes = _prefixes(account, request, range(_FEWEST_CHARS, size + 1, _STEP_CHARS))
        cached = self._longest(prefixes)
        for _, prefix in prefixes:
            self._keep(prefix, KEPT_S)
        return Usage(input=total - cached, cached=cached)

    def read_marked(self, account: str, request: Request) -> Usage:
        """Count what Anthropic would report as read and written, and keep what is marked."""
        total = tokens_of(request.prompt)
        marks = [mark for mark in request.marks if mark.at >= _FEWEST_CHARS]
        if not marks:
            return Usage(input=total)
        prefixes = _prefixes(account, request, _candidates(request, marks))
        cached = self._longest(prefixes)
        by_place = dict(prefixes)
        for mark in marks:
            self._keep(by_place[mark.at], KEPT_LONG_S if mark.hour else KEPT_S)
        long_to = max((_tokens(mark.at) for mark in marks if mark.hour), default=0)
        marked_to = max(_tokens(mark.at) for mark in marks)
        return Usage(
            input=total - marked_to,
            cached=cached,
            write_1h=max(0, long_to - cached),
            write_5m=marked_to - max(long_to, cached),
        )

    def _longest(self, prefixes: list[tuple[int, bytes]]) -> int:
        """Find the longest prefix that is kept, use it, and give its tokens."""
        now_s = self._clock()
        for at, prefix in reversed(prefixes):
            end_s, life_s = self._kept.get(prefix, (0.0, 0.0))
            if now_s < end_s:
                self._keep(prefix, life_s)
                return _tokens(at)
        return 0

    def _keep(self, prefix: bytes, life_s: float) -> None:
        self._kept[prefix] = (self._clock() + life_s, life_s)
        self._kept.move_to_end(prefix)
        if len(self._kept) > MOST_PREFIXES:
            self._kept.popitem(last=False)


def _candidates(request: Request, marks: list[Mark]) -> list[int]:
    found = {mark.at for mark in marks}
    for mark in marks:
        before = [at for at in request.blocks if at <= mark.at]
        found.update(at for at in before[-LOOK_BACK:] if at >= _FEWEST_CHARS)
    return sorted(found)


def _prefixes(account: str, request: Request, ends: Iterable[int]) -> list[tuple[int, bytes]]:
    """Hash the prompt up to each end; ends ascend."""
    state = blake2b(f"{account}\0{request.served.model.name}\0".encode(), digest_size=16)
    found: list[tuple[int, bytes]] = []
    start = 0
    for end in ends:
        state.update(request.prompt[start:end].encode())
        found.append((end, state.digest()))
        start = end
    return found


def _tokens(chars: int) -> int:
    return -(-chars // CHARS_PER_TOKEN)
