"""What an app does around its calls: it searches, and it runs tools."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from hashlib import sha256

import msgspec

from trimtab.domain.retrieval import Document, Retrieval
from trimtab.sdk.clock import SystemClock
from trimtab.sdk.contexts import attributes
from trimtab.sdk.contexts import found as tell
from trimtab.sdk.spans import Attributes
from trimtab.sdk.telemetry import keeps_content, span, trace_headers

MOST_IN_SPAN = 256

Row = tuple[object, float | None, object | None, str | None]
"""Id, score, version and text of a document; all but the id may be `None`."""


class Found:
    """What a search has found. State: the documents that were told of.

    Attributes:
        texts: What they say, if spans may tell.
    """

    def __init__(self) -> None:
        self.all: list[Document] = []
        self.texts: list[str | None] = []

    def documents(self, rows: Iterable[Row]) -> None:
        """Tell what was found, best first: id, score, version and text. A text is only hashed."""
        for name, score, version, text in rows:
            self.texts.append(_text(text) if keeps_content() and text is not None else None)
            self.all.append(
                Document(
                    id=_text(name),
                    score=None if score is None else float(score),
                    version=None if version is None else _text(version),
                    sha256=None
                    if text is None
                    else sha256(text.encode(errors="replace")).hexdigest(),
                )
            )


@contextmanager
def retrieval(
    index: str,
    query: str | None = None,
    *,
    top_k: int | None = None,
    embedding_model: str | None = None,
    index_build_date: str | None = None,
) -> Generator[Found]:
    """Search as a span; the next call of this context tells what was found, for its record.

    Args:
        index: Name of what is searched.
        query: What is searched for; told only if the environment lets spans keep content.
        top_k: How many documents were asked for.
        embedding_model: What embedded the query.
        index_build_date: Day the index was built on, as `2026-03-01`.
    """
    clock = SystemClock()
    found, began_s = Found(), clock.monotonic_s()
    told = {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": index,
        "gen_ai.request.top_k": top_k,
        "gen_ai.request.model": embedding_model,
        "gen_ai.retrieval.query.text": query if keeps_content() else None,
        "trimtab.retrieval.index_build_date": index_build_date,
    }
    with span(f"retrieval {index}", "client", _known(told)) as it:
        trace = trace_headers()
        yield found
        took_us = round((clock.monotonic_s() - began_s) * 1e6)
        if it is not None:
            it.set_attribute("gen_ai.retrieval.documents", _written(found))
    tell(
        Retrieval(
            documents=tuple(found.all),
            index=index,
            index_build_date=index_build_date,
            embedding_model=embedding_model,
            retrieval_us=took_us,
        ),
        trace,
    )


@contextmanager
def tool(name: str, *, call_id: str | None = None, kind: str = "function") -> Generator[None]:
    """Run a tool as a span.

    Args:
        name: Name of the tool.
        call_id: The model's id of the call that asks for it.
        kind: `function`, `extension` or `datastore`.
    """
    told = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": kind,
        "gen_ai.tool.call.id": call_id,
    }
    with span(f"execute_tool {name}", "internal", _known(told)):
        yield


def _text(value: object) -> str:
    """Write what may hold half a character, as texts of other programs do."""
    return str(value).encode(errors="replace").decode()


def _known(told: dict[str, str | None] | dict[str, str | int | None]) -> Attributes:
    known = {name: value for name, value in told.items() if value is not None}
    return {**attributes(), **known}


def _written(found: Found) -> str:
    rows = [
        {**msgspec.to_builtins(it), **({} if text is None else {"content": text})}
        for it, text in zip(found.all[:MOST_IN_SPAN], found.texts, strict=False)
    ]
    return msgspec.json.encode(rows).decode()
