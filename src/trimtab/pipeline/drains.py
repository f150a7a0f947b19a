"""Answers that are read on for callers who are gone, and how many of them a worker can afford."""

from trimtab.domain.transport import Response
from trimtab.pipeline.transcript import Transcript

MOST = 100
MOST_TOKENS = 200_000
CHARS_PER_TOKEN = 4


class Drains:
    """What is read to its end unseen. State: those answers, and how long each was at first."""

    def __init__(self, *, most: int = MOST, most_tokens: int = MOST_TOKENS) -> None:
        self._most = most
        self._most_tokens = most_tokens
        self._running: dict[Response, tuple[Transcript, int]] = {}

    def __contains__(self, response: Response) -> bool:
        return response in self._running

    def begin(self, response: Response, transcript: Transcript) -> None:
        """Read an answer on, or close it if there are too many already."""
        if len(self._running) < self._most:
            self._running[response] = transcript, transcript.output_chars
        else:
            response.close()

    def check(self, response: Response) -> None:
        """Close an answer that is read on, if all of those have become too much."""
        if response not in self._running:
            return
        chars = sum(it.output_chars - since for it, since in self._running.values())
        if chars > self._most_tokens * CHARS_PER_TOKEN:
            self.end(response)
            response.close()

    def end(self, response: Response) -> None:
        """Forget an answer. Safe for one that is not read on."""
        self._running.pop(response, None)
