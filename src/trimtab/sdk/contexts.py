"""What is said with each call of a context: whose it is, what for, and what was found for it."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from urllib.parse import quote, urlencode

from msgspec import Struct
from msgspec.structs import asdict, replace

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.retrieval import Retrieval, encode
from trimtab.domain.tenant import NAME
from trimtab.sdk.telemetry import span, trace_headers

MOST_CHARS = 256
MOST_TAGS, MOST_TAG_CHARS = 16, 64

_VISIBLE = " !#$&'()*+,/:;=?@[]"


class Said(Struct, frozen=True, kw_only=True):
    """What a context says. See `context`."""

    conversation: str | None = None
    user: str | None = None
    feature: str | None = None
    tags: Mapping[str, str] | None = None


class Finding:
    """What was found, until one call has taken it. State: whether one has.

    Attributes:
        trace: Headers that tell in which trace it was found, if in one.
    """

    def __init__(self, retrieval: Retrieval, trace: Mapping[str, str]) -> None:
        self._left = [retrieval]
        self.trace = trace

    def take(self) -> Retrieval | None:
        """Give it to the first who asks, of all threads and tasks."""
        try:
            return self._left.pop()
        except IndexError:
            return None


_said: ContextVar[Said] = ContextVar("trimtab_said", default=Said())  # noqa: B039 -- frozen
_found: ContextVar[tuple[Finding, ...]] = ContextVar("trimtab_found", default=())
_sent: ContextVar[Mapping[str, str] | None] = ContextVar("trimtab_sent", default=None)


@contextmanager
def context(
    *,
    conversation: str | None = None,
    user: str | None = None,
    feature: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Generator[None]:
    """Say something with every call that is made in here. What an outer context says goes on.

    It is of this thread or asyncio task, and of those tasks that are begun in it.

    Args:
        conversation: Conversation that the calls are part of.
        user: End user of the app; only a keyed hash is kept.
        feature: Part of the app: lower-case letters, digits, `.`, `_` or `-`.
        tags: Up to 16 pairs of short texts.

    Raises:
        InvalidRequest: a gateway would refuse the feature or the tags.
    """
    _check(feature, tags or {})
    outer = _said.get()
    given = {"conversation": conversation, "user": user, "feature": feature}
    said = replace(
        outer,
        **{name: value for name, value in given.items() if value is not None},
        tags={**(outer.tags or {}), **(tags or {})} or None,
    )
    undo: tuple[Callable[[], None], ...] = (
        partial(_said.reset, _said.set(said)),
        partial(_found.reset, _found.set(())),
        partial(_sent.reset, _sent.set(None)),
    )
    try:
        with span(said.feature or "context", "internal", attributes(), only_root=True):
            yield
    finally:
        for reset in undo:
            # Some frameworks leave a context in another thread than they entered it in.
            with suppress(ValueError):
                reset()


def attributes() -> dict[str, str]:
    """Give what spans of this context say of it."""
    said = _said.get()
    told = {"gen_ai.conversation.id": said.conversation, "trimtab.feature": said.feature}
    return {name: value for name, value in told.items() if value is not None}


def found(retrieval: Retrieval, trace: Mapping[str, str]) -> None:
    """Have the next call of this context tell what was found, and in which trace."""
    _found.set((*_found.get(), Finding(retrieval, trace)))


def call_headers(*, is_retry: bool) -> dict[str, str]:
    """Give the headers of a call; one that is tried again says the same once more."""
    said = {name: value for name, value in asdict(_said.get()).items() if value}
    tags: Mapping[str, str] = said.pop("tags", {})
    headers = {f"x-trimtab-{name}": _visible(value) for name, value in said.items()}
    headers["x-trimtab-tags"] = urlencode(tags, errors="replace")
    if not is_retry:
        _sent.set(_taken())
    return {**{name: it for name, it in headers.items() if it}, **(_sent.get() or {})}


def _taken() -> Mapping[str, str]:
    """Take what was found; a call that is in no trace goes on with that of the search."""
    trace, findings = trace_headers(), _found.get()
    _found.set(())
    # What another request of this thread left behind is not told.
    mine = [it for it in findings if not trace or _trace_id(it.trace) in ("", _trace_id(trace))]
    taken = [(it.trace, found) for it in mine if (found := it.take()) is not None]
    if not taken:
        return trace
    return {
        **(trace or taken[-1][0]),
        "x-trimtab-documents": encode(_together([found for _, found in taken])),
    }


def _trace_id(trace: Mapping[str, str]) -> str:
    return trace.get("traceparent", "")[3:35]


def _together(taken: list[Retrieval]) -> Retrieval:
    """Make one of several; of what they do not agree in nothing is said."""
    if len(taken) == 1:
        return taken[0]
    alike = {
        name: values.pop()
        for name in ("index", "index_build_date", "embedding_model")
        if len(values := {getattr(it, name) for it in taken}) == 1
    }
    return Retrieval(
        documents=tuple(document for it in taken for document in it.documents),
        retrieval_us=sum(it.retrieval_us or 0 for it in taken),
        **alike,
    )


def _visible(text: str) -> str:
    """Write a text as a header can carry it."""
    return quote(text, safe=_VISIBLE, errors="replace")[:MOST_CHARS].strip()


def _check(feature: str | None, tags: Mapping[str, str]) -> None:
    if feature is not None and not NAME.fullmatch(feature):
        raise InvalidRequest(
            f"feature {feature[:64]!r} must be lower-case letters, digits, `.`, `_` or `-`",
            param="feature",
        )
    longest = max((len(it) for pair in tags.items() for it in pair), default=0)
    if len(tags) > MOST_TAGS or longest > MOST_TAG_CHARS:
        raise InvalidRequest(
            f"there are more than {MOST_TAGS} tags, or one has more than {MOST_TAG_CHARS}"
            " characters; say less",
            param="tags",
        )
