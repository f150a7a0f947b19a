"""Stored runs: `<home>/evals/<run_id>.json`, each with a small card and its `.decision` beside it.

A card holds what a list shows, so that thousands of runs are listed without reading them. It is
made anew when it is missing.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.domain.errors import InvalidRequest, NotFound
from trimtab.domain.prompt import digest
from trimtab.evals.case import Kind
from trimtab.evals.decided import Decided
from trimtab.evals.result import Run, Spent, read_run, write_run
from trimtab.store.files import replace_file

FOLDER = "evals"
SHA256 = "sha256:"

_CARD, _DECISION, _DOCUMENT = ".card", ".decision", ".json"
_RUN_ID = re.compile(r"ev_[0-9A-Za-z]{1,64}")
_HEX = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")


class Card(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run in short.

    Attributes:
        content: See `content_hash`.
        verdict: The verdict it was given last; "" if it was never judged.
        reason: Code of why that is not PASS.
    """

    run_id: str
    suite: str
    kind: Kind
    content: str
    candidate: str
    baseline: str = ""
    prompt: str = ""
    cases: int = 0
    started_us: int = 0
    ended_us: int = 0
    spent_nano: int = 0
    stopped: str = ""
    verdict: str = ""
    reason: str = ""


def content_hash(run: Run) -> str:
    """SHA-256 of what was answered and how it was scored, hex.

    Two runs that found the same have the same, whenever and at whatever cost they did: the id of
    the run, `spent`, and the request, latency and cost of each sample do not count.
    """
    samples = tuple(
        replace(it, request_id=None, latency_s=None, cost_nano=None) for it in run.samples
    )
    return digest(write_run(replace(run, run_id="", spent=Spent(), samples=samples)).decode())


class Shelf:
    """The stored runs of a state directory."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def put(self, run: Run) -> Card:
        """Store a run; what was stored of that id is replaced. Raises `InvalidRequest`."""
        path = self._path(run.run_id)
        replace_file(path, write_run(run))
        return self._make_card(run)

    def judged(self, run: Run, verdict: str, reason: str) -> bool:
        """Note the verdict on a stored run. `False`: it is not here, and nothing is noted."""
        if not self._path(run.run_id).exists():
            return False
        card = self._card(run.run_id)
        if card is not None and (card.verdict, card.reason) != (verdict, reason):
            self._write(replace(card, verdict=verdict, reason=reason))
        return True

    def decide(self, run_id: str, decided: Decided) -> None:
        """Write a decision down, the last one on a run. Raises `InvalidRequest`."""
        replace_file(self._path(run_id, _DECISION), msgspec.json.encode(decided))

    def decided(self, run_id: str, content: str) -> Decided | None:
        """Read the decision on a run whose content has this hash; of another there is none."""
        try:
            found = msgspec.json.decode(self._path(run_id, _DECISION).read_bytes(), type=Decided)
        except (InvalidRequest, FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return found if found.report == SHA256 + content else None

    def cards(self) -> Iterator[Card]:
        """Give the runs, newest first; a document that cannot be read is passed over."""
        for run_id in self._ids():
            card = self._card(run_id)
            if card is not None:
                yield card

    def find(self, text: str) -> Card:
        """Find a run by its id, by the beginning of it if that is unique, or by its content's hash.

        Raises:
            InvalidRequest: several begin so.
            NotFound: there is none, or it cannot be read.
        """
        found = [it for it in self._ids() if it.startswith(text)] if text else []
        if text in found:
            found = [text]
        if len(found) > 1:
            raise InvalidRequest(f"{len(found)} runs begin with {text[:80]!r}; write more of it")
        hashed = _HEX.fullmatch(text)
        if not found and hashed is not None:
            # Runs of the same content are the same to whoever asks by it: the newest is given.
            same = (it for it in self.cards() if it.content.startswith(hashed[1]))
            card = next(same, None)
        else:
            card = self._card(found[0]) if found else None
        if card is None:
            raise NotFound(f"there is no run {text[:80]!r}; `trimtab evals list` lists them")
        return card

    def read(self, run_id: str) -> Run:
        """Read a run. Raises `NotFound`."""
        run = self._read(run_id) if _RUN_ID.fullmatch(run_id) else None
        if run is None:
            raise NotFound(f"there is no run {run_id[:80]!r}; `trimtab evals list` lists them")
        return run

    def _ids(self) -> list[str]:
        """List the runs, newest first: ids begin with their instant."""
        if not self._folder.is_dir():
            return []
        stems = (it.stem for it in self._folder.glob(f"ev_*{_DOCUMENT}"))
        return sorted((it for it in stems if _RUN_ID.fullmatch(it)), reverse=True)

    def _path(self, run_id: str, suffix: str = _DOCUMENT) -> Path:
        if _RUN_ID.fullmatch(run_id) is None:
            raise InvalidRequest(f"{run_id[:80]!r} is no id of a run; it begins with ev_")
        return self._folder / f"{run_id}{suffix}"

    def _read(self, run_id: str) -> Run | None:
        try:
            return read_run(self._path(run_id).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _card(self, run_id: str) -> Card | None:
        try:
            return msgspec.json.decode((self._folder / f"{run_id}{_CARD}").read_bytes(), type=Card)
        except (FileNotFoundError, msgspec.DecodeError):
            run = self._read(run_id)
            return None if run is None else self._make_card(run)

    def _make_card(self, run: Run) -> Card:
        card = Card(
            run_id=run.run_id,
            suite=run.suite,
            kind=run.kind,
            content=content_hash(run),
            candidate=run.candidate.name,
            baseline="" if run.baseline is None else run.baseline.name,
            prompt=run.candidate.prompt or "",
            cases=len(run.cases),
            started_us=run.spent.started_us,
            ended_us=run.spent.ended_us,
            spent_nano=run.spent.candidate_nano + run.spent.judge_nano,
            stopped="" if run.stopped is None else str(run.stopped),
        )
        self._write(card)
        return card

    def _write(self, card: Card) -> None:
        path = self._folder / f"{card.run_id}{_CARD}"
        # Not forced onto the disk: one that is lost or half written is made anew.
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        new.write_bytes(msgspec.json.encode(card))
        new.replace(path)
