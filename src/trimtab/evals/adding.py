"""From a request that was served to a case of a suite: frozen, without personal data, once."""

import fcntl
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct

from trimtab.control.prompts import Prompts
from trimtab.domain.errors import ContentExpired, InvalidRequest, SettingsInvalid
from trimtab.domain.prompt import Role, Trust
from trimtab.domain.record import RequestRecord
from trimtab.evals.alike import twins
from trimtab.evals.case import QUESTION, Case, Provenance
from trimtab.evals.dataset import read_cases, write_case
from trimtab.evals.kept import contexts_in
from trimtab.evals.lint import ALIKE
from trimtab.evals.personal import redacted
from trimtab.evals.suite import Suite
from trimtab.store.files import replace_file

HISTORY = "history"
FROM_REQUEST = "request"

_ID_DIGITS = 12
CASE_ID = re.compile(rb"q-[0-9a-hjkmnp-tv-z]{12}")
"""What cases that are made of requests are called."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What a person says about a case. `at`: ISO date."""

    by: str
    at: str
    expected: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    incident_id: str | None = None


class Made(Struct, frozen=True, kw_only=True):
    """A case, and what was taken out of it.

    Attributes:
        redacted: How often each kind of personal data was in it.
    """

    case: Case
    redacted: Counter[str]


class Frame(Struct, frozen=True, kw_only=True):
    """What a prompt put around what the caller said.

    Attributes:
        retrieved: Names of the variables that held what was retrieved.
        takes: Whether it takes messages of the caller.
        systems: How many messages of the system stand before those.
        before: How many others do.
        behind: How many stand behind them.
    """

    retrieved: tuple[str, ...] = ()
    takes: bool = False
    systems: int = 0
    before: int = 0
    behind: int = 0


def frame_of(prompts: Prompts, record: RequestRecord) -> Frame:
    """Find what the prompt of a request put around it."""
    version = prompts.find(record.prompt_name or "", record.prompt_version or "")
    if version is None:
        return Frame()
    content = version.read()
    retrieved = tuple(k for k, it in content.variables.items() if it.trust is Trust.RETRIEVED)
    place = next((at for at, it in enumerate(content.messages) if it.placeholder), None)
    if place is None:
        return Frame(retrieved=retrieved)
    systems = sum(it.role is Role.SYSTEM for it in content.messages[:place])
    return Frame(
        retrieved=retrieved,
        takes=True,
        systems=systems,
        before=place - systems,
        behind=len(content.messages) - place - 1,
    )


def make_case(
    record: RequestRecord,
    asked: tuple[bytes | None, bytes | None],
    wanted: Wanted,
    frame: Frame,
) -> Made:
    """Make a case of what was asked: the variables of its prompt, or else the body.

    Without variables, the last thing the user said is the question, and what came before it is the
    history.

    Raises:
        ContentExpired: what it takes is not kept.
        InvalidRequest: it does not end with a question in words.
    """
    counts = Counter[str]()
    input_ = cast("dict[str, Any]", _redacted(_input(record, asked, frame), counts))
    expected = tuple(cast("str", _redacted(it, counts)) for it in wanted.expected)
    case = Case(
        id=case_id_of(record.request_id),
        input=input_,
        expected=expected[0] if len(expected) == 1 else expected or None,
        contexts=contexts_in(input_, frame.retrieved) or None,
        tags=tuple(dict.fromkeys(wanted.tags)),
        provenance=Provenance(
            source=FROM_REQUEST,
            request_id=record.request_id,
            incident_id=wanted.incident_id,
            added_at=wanted.at,
            added_by=wanted.by,
            redacted=tuple(sorted(counts)),
        ),
    )
    # What no line of a dataset may be is told now.
    _ = read_cases(write_case(case), case.id)
    return Made(case=case, redacted=counts)


def case_id_of(request_id: str) -> str:
    """Name the case that is made of a request."""
    return f"q-{request_id[-_ID_DIGITS:].lower()}"


def like(case: Case, known: Iterable[Case]) -> Case | None:
    """Find the case that asks nearly the same."""
    others = list(known)
    texts = [*(it.asked for it in others), case.asked]
    found = [pair for pair in twins(texts, ALIKE) if len(others) in pair]
    return others[min(found[0])] if found else None


def append_case(suite: Suite, case: Case) -> Path:
    """Add a case to the last file of a suite: all of its line is there afterwards, or nothing.

    Two who add at once are one after the other.

    Raises:
        SettingsInvalid: the file has faults, or a case of that id.
    """
    if not suite.places:
        raise SettingsInvalid(f"'{suite.file}' has no case to add one to; write the first by hand")
    path = Path([file for file, _ in suite.places.values()][-1]).resolve()
    with Path(suite.file).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = path.read_text("utf-8")
        if case.id in {it.case.id for it in read_cases(text, str(path))}:
            raise SettingsInvalid(f"'{case.id}' is in '{path.name}' already; change it there")
        end = "" if not text or text.endswith("\n") else "\n"
        mode = path.stat().st_mode
        replace_file(path, f"{text}{end}{write_case(case)}".encode())
        path.chmod(mode)
    return path


def _input(
    record: RequestRecord, asked: tuple[bytes | None, bytes | None], frame: Frame
) -> dict[str, object]:
    variables, body = asked
    if variables is not None:
        values = cast("dict[str, object]", _decoded(record, variables))
        return {**values, HISTORY: _own(record, body, frame)} if frame.takes else values
    said = _said(record, body)
    last = said[-1] if said else {}
    question = _text(last.get("content")) if last.get("role") == "user" else ""
    if not question:
        raise InvalidRequest(
            f"request '{record.request_id}' does not end with a question in words; a case of what"
            " tools and pictures said is written by hand"
        )
    earlier: dict[str, object] = {HISTORY: said[:-1]} if said[:-1] else {}
    return {QUESTION: question, **earlier}


def _own(record: RequestRecord, body: bytes | None, frame: Frame) -> list[dict[str, object]]:
    """Give the messages that the caller said himself."""
    said = _said(record, body)
    # Some wires have all that the system says in one place.
    systems = min(frame.systems, sum(it["role"] == Role.SYSTEM for it in said))
    return said[systems + frame.before : len(said) - frame.behind]


def _said(record: RequestRecord, body: bytes | None) -> list[dict[str, object]]:
    asked = _decoded(record, body)
    return _messages(cast("dict[str, object]", asked)) if isinstance(asked, dict) else []


def _decoded(record: RequestRecord, data: bytes | None) -> object:
    if data is None:
        raise ContentExpired(
            f"what request '{record.request_id}' asked is not kept; take one whose content is, as"
            " `trimtab trace REQUEST_ID --content` shows"
        )
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise InvalidRequest(
            f"what request '{record.request_id}' asked is no JSON; write the case by hand"
        ) from exc


def _messages(body: Mapping[str, object]) -> list[dict[str, object]]:
    """Read the messages of any wire, what the system says first."""
    system = body.get("system") or body.get("instructions")
    said = body.get("messages", body.get("input", []))
    if isinstance(said, str):
        said = [{"role": "user", "content": said}]
    first = [{"role": "system", "content": system}] if system else []
    items = [*first, *(cast("list[object]", said) if isinstance(said, list) else [])]
    return [cast("dict[str, object]", it) for it in items if isinstance(it, dict) and "role" in it]


def _text(content: object) -> str:
    """Give the words of a message; none if it has other parts, too."""
    if isinstance(content, str):
        return content
    parts = cast("list[object]", content) if isinstance(content, list) else []
    texts = [
        cast("dict[str, object]", it).get("text") if isinstance(it, dict) else "" for it in parts
    ]
    return "\n".join(it for it in texts if isinstance(it, str)) if all(texts) else ""


def _redacted(value: object, counts: Counter[str]) -> object:
    """Take personal data out of every text and number."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {_text_without(k, counts): _redacted(it, counts) for k, it in members.items()}
    if isinstance(value, list):
        return [_redacted(it, counts) for it in cast("list[object]", value)]
    if isinstance(value, str):
        return _text_without(value, counts)
    if isinstance(value, int | float) and not isinstance(value, bool):
        written = _text_without(str(value), counts)
        return value if written == str(value) else written
    return value


def _text_without(text: str, counts: Counter[str]) -> str:
    plain, found = redacted(text)
    counts.update(found)
    return plain
