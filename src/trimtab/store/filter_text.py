"""The text form of a filter, the same in console, command line and admin API.

tenant:acme status:error,blocked -model:sim/* latency_ms:>2000 since:24h "refund window"
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import NamedTuple

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.record import Origin, Replay, Status
from trimtab.store.base.reading import RecordFilter
from trimtab.store.terms import Op, Said, Term, words_of

_UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_WORD = re.compile(r'(?P<minus>-?)(?:(?P<name>[A-Za-z_]+):)?(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))')
_BOUND = re.compile(r"([<>]=?)(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)")
_PLAIN = re.compile(r"[^\s\",*]+")
_ANY = "*"
_FLAGS = {"yes": True, "no": False}


class _Given(NamedTuple):
    """What stands behind the colon. Quotes make it one value, whatever is in it."""

    name: str
    value: str
    is_quoted: bool
    negated: bool

    @property
    def values(self) -> tuple[str, ...]:
        return (self.value,) if self.is_quoted else tuple(filter(None, self.value.split(",")))


_Read = Callable[[_Given], Iterable[Term | Said]]


def parse(text: str, now_us: int) -> RecordFilter:
    """Read a filter; all of it must fit.

    Raises:
        InvalidRequest: a word is no filter; the message names the nearest that is.
    """
    times: dict[str, int] = {}
    found: list[Term | Said] = []
    phrases: list[tuple[str, ...]] = []
    for match in _WORD.finditer(text):
        minus, name, quoted, bare = match.group("minus", "name", "quoted", "bare")
        given = _Given(
            name or "", bare if quoted is None else quoted, quoted is not None, bool(minus)
        )
        if name is None:
            phrases.append(_phrase(match[0], given))
        elif name in TIMES and not minus:
            times[name] = _instant_us(given.value, now_us)
        else:
            found += _field(name)(given)
    return RecordFilter(
        since_us=times.get("since"),
        until_us=times.get("until"),
        terms=tuple(it for it in found if isinstance(it, Term)),
        said=tuple(it for it in found if isinstance(it, Said)),
        phrases=tuple(phrases),
    )


def narrowed(text: str, name: str, value: str) -> str:
    """Write a filter that asks for one more thing."""
    written = value if _PLAIN.fullmatch(value) else '"{}"'.format(value.replace('"', ""))
    return f"{text} {name}:{written}".strip()


def _phrase(word: str, given: _Given) -> tuple[str, ...]:
    if not given.is_quoted and ":" in word:
        raise InvalidRequest(f"{word!r} is not a filter; write name:value", param="q")
    if not given.is_quoted and '"' in word:
        raise InvalidRequest(f"{word!r} has a quote that nothing closes", param="q")
    if given.negated:
        raise InvalidRequest(f"{word!r} cannot be left out; only -name:value can", param="q")
    phrase = words_of(given.value)
    if not phrase:
        raise InvalidRequest(f"{word!r} has no word to search for", param="q")
    return phrase


def _field(name: str) -> _Read:
    read = FIELDS.get(name)
    if read is None:
        near = get_close_matches(name, (*FIELDS, *TIMES), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there is {', '.join((*FIELDS, *TIMES))}"
        raise InvalidRequest(f"{name!r} is not a filter; {hint}", param="q")
    return read


def _text(column: str, known: Iterable[str] = ()) -> Callable[[_Given], Sequence[Term]]:
    """Read one value or several, or how a value begins."""
    allowed = tuple(known)

    def read(given: _Given) -> Sequence[Term]:
        if not given.values:
            raise InvalidRequest(f"'{given.name}:' names nothing; write name:value", param="q")
        for value in given.values:
            if allowed and value not in allowed:
                raise InvalidRequest(f"{value!r} is none of {', '.join(allowed)}", param="q")
        if given.value.endswith(_ANY) and not given.is_quoted:
            return [Term(column, Op.PREFIX, (given.value[:-1],), negated=given.negated)]
        return [Term(column, Op.IN, given.values, negated=given.negated)]

    return read


def _number(column: str, unit: int = 1) -> _Read:
    def read(given: _Given) -> Iterable[Term]:
        op, bound = _bound(given, f"{given.name}:>2000")
        return [Term(column, op, (int(bound * unit),), negated=given.negated)]

    return read


def _bound(given: _Given, example: str) -> tuple[Op, Decimal]:
    match = _BOUND.fullmatch(given.value.rpartition(":")[2])
    if match is None:
        raise InvalidRequest(f"{given.value!r} is no bound; write {example}", param="q")
    return Op(match[1]), Decimal(match[2])


def _flag(column: str) -> _Read:
    def read(given: _Given) -> Iterable[Term]:
        if given.value not in _FLAGS:
            raise InvalidRequest(f"{given.value!r} is none of yes, no", param="q")
        return [Term(column, Op.IN, (_FLAGS[given.value],), negated=given.negated)]

    return read


def _prompt(given: _Given) -> Iterable[Term]:
    name, at, version = given.value.partition("@")
    if not at:
        return _text("prompt_name")(given)
    if given.negated or len(given.values) > 1:
        raise InvalidRequest(f"{given.value!r} must stand alone; leave out @{version}", param="q")
    return [Term("prompt_name", Op.IN, (name,)), Term("prompt_version", Op.IN, (version,))]


def _tag(given: _Given) -> Iterable[Term]:
    key, equals, value = given.value.partition("=")
    if not equals or '"' in key:
        raise InvalidRequest(f"{given.value!r} is no tag; write tag:name=value", param="q")
    return [Term("tags", Op.IN, (value,), key=key, negated=given.negated)]


def _label(given: _Given) -> Iterable[Said]:
    return [Said(term) for term in _text("label")(given._replace(negated=_asserted(given)))]


def _score(given: _Given) -> Iterable[Said]:
    name, colon, _ = given.value.partition(":")
    op, bound = _bound(given, "score:faithfulness:<0.5")
    term = Term("score", op, (float(bound),), negated=_asserted(given))
    return [Said(term, name if colon else None)]


def _asserted(given: _Given) -> bool:
    if given.negated:
        raise InvalidRequest(f"'-{given.name}' is not a filter; leave out the minus", param="q")
    return False


def _instant_us(value: str, now_us: int) -> int:
    match = _AGO.fullmatch(value)
    if match is not None:
        return now_us - int(match[1]) * _UNITS_US[match[2]]
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidRequest(
            f"{value!r} is no time; write 24h, or 2026-04-25 (UTC)", param="q"
        ) from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1e6)


FIELDS: Mapping[str, _Read] = {
    "tenant": _text("tenant_id"),
    "feature": _text("feature"),
    "tier": _text("tier"),
    "model": _text("model_requested"),
    "target": _text("target"),
    "provider": _text("provider"),
    "key": _text("key_id"),
    "user": _text("user_hash"),
    "conversation": _text("conversation_id"),
    "tag": _tag,
    "status": _text("status", [it.value for it in Status]),
    "error": _text("error_code"),
    "origin": _text("origin", [it.value for it in Origin]),
    "trace": _text("trace_id"),
    "response": _text("response_id"),
    "prompt": _prompt,
    "version": _text("prompt_version"),
    "experiment": _text("experiment"),
    "arm": _text("arm"),
    "guard": _text("guardrail_decision"),
    "kept": _flag("trace_kept"),
    "rule": _text("sampling_rule"),
    "fallback": _flag("fallback_used"),
    "replay": _text("replay", [it.value for it in Replay]),
    "latency_ms": _number("latency_us", 1_000),
    "ttft_ms": _number("ttft_us", 1_000),
    "cost_usd": _number("cost_nano", 1_000_000_000),
    "input_tokens": _number("input_tokens"),
    "output_tokens": _number("output_tokens"),
    "label": _label,
    "score": _score,
}
"""Names of filters, and who reads the value of each."""

TIMES = ("since", "until")
"""Names of the bounds in time."""
