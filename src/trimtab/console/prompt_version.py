"""One version: its text, what vouches for it, and trying it out."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Template

import msgspec
from starlette.responses import Response

from trimtab.console.base import Visit, see_other
from trimtab.console.changes import find_change, read_seq
from trimtab.console.prompt import pins
from trimtab.console.prompts import found_version, path_of
from trimtab.control.models import By
from trimtab.control.prompts import Prompts
from trimtab.control.snapshot import Snapshot
from trimtab.domain.change import Change
from trimtab.domain.errors import (
    Forbidden,
    InvalidRequest,
    NothingToRollBackTo,
    PromptVariablesInvalid,
    SettingsInvalid,
    TrimtabError,
)
from trimtab.domain.prompt import Content, Engine, Evidence, Message, PromptVersion, Variable
from trimtab.domain.rendering import NONCE_BYTES, Said, compile_version
from trimtab.evals.shelf import SHA256, Shelf
from trimtab.registry.jinja import ENGINES

VALUE = "value."
"""Begin of the names of fields that hold variables."""

_MARKED: Mapping[Engine, re.Pattern[str]] = {
    Engine.TEMPLATE: Template.pattern,
    Engine.MUSTACHE: re.compile(r"\{\{[^{}]{1,200}\}\}|\{\{\{[^{}]{1,200}\}\}\}"),
    Engine.JINJA: re.compile(r"\{\{[^{}]{1,200}\}\}|\{%[^{}]{1,200}%\}"),
}
_TOLD_ELSEWHERE = frozenset({"type", "description", "x-trust", "x-fence", "default"})


@dataclass(frozen=True, slots=True)
class Field:
    """A variable, and the field it is tried out with.

    Attributes:
        about: Its description.
        type: What the schema says it is.
        rules: What else its schema asks for, as JSON.
        is_text: Whether the field holds text as it is; else JSON.
        given: What was put in.
    """

    name: str
    variable: Variable
    about: str
    type: str
    rules: str
    default: str | None
    is_text: bool
    given: str


async def show(
    visit: Visit, *, rendered: Sequence[Said] | None = None, problem: str = "", at: str = ""
) -> Response:
    """Show a version."""
    console = visit.console
    prompts, version = await found_version(visit)
    snapshot = await console.control.snapshot()
    content, fault = _read(version)
    evidence = prompts.evidence.get(version.hash, ())
    context = {
        "version": version,
        "content": content,
        "fault": fault,
        "published": prompts.published[version.ref],
        "yank": prompts.yanked.get(version.ref),
        "pins": [
            it for it in pins(prompts, version.name) if it.at.label.version == version.version
        ],
        "evidence": evidence,
        "runs": await asyncio.to_thread(_runs, console.evaluations.shelf, evidence),
        "approvals": prompts.approvals.get(version.ref, ()),
        "before": _before(prompts, version),
        "shown": [_shown(content.engine, it) for it in content.said] if content else (),
        "fields": list(_fields(content, visit.form)) if content else (),
        "models": _models(snapshot, content),
        "rendered": rendered,
        "problem": problem,
        "at": at,
        "done": await find_change(console, read_seq(visit.query("done"))),
    }
    return visit.page("prompt_version.html", context, status=400 if problem else 200)


async def preview(visit: Visit) -> Response:
    """Show what a version says with some values; nothing is sent to a model."""
    _, version = await found_version(visit)
    try:
        values = _values(version.read(), visit.form)
        nonce = visit.console.entropy(NONCE_BYTES)
        rendered = compile_version(version, ENGINES).render(values, nonce=nonce)
    except (InvalidRequest, PromptVariablesInvalid, SettingsInvalid) as exc:
        return await show(visit, problem=str(exc), at="try")
    return await show(visit, rendered=rendered.messages)


async def approve(visit: Visit) -> Response:
    """Say that a second person has read a version."""
    return await _changed(visit, visit.console.registry.approve, at="approve")


async def yank(visit: Visit) -> Response:
    """Take a version out of use."""
    _, version = await found_version(visit)
    form = visit.form
    try:
        changes = await visit.console.registry.yank(
            version.name,
            version.version,
            visit.by(form.get("reason", "")),
            block=form.get("block") == "yes",
            and_rollback=form.get("and_rollback") == "yes",
        )
    except (InvalidRequest, SettingsInvalid, NothingToRollBackTo) as exc:
        return await show(visit, problem=str(exc), at="yank")
    done = f"?done={changes[-1].seq}" if changes else ""
    return see_other(path_of(version.name, version.version) + done)


async def unyank(visit: Visit) -> Response:
    """Put a version back into use."""
    return await _changed(visit, visit.console.registry.unyank, at="yank")


async def _changed(
    visit: Visit, change: Callable[[str, str, By], Awaitable[Change]], *, at: str
) -> Response:
    _, version = await found_version(visit)
    by = visit.by(visit.form.get("reason", ""))
    try:
        done = await change(version.name, version.version, by)
    except (InvalidRequest, SettingsInvalid, Forbidden) as exc:
        return await show(visit, problem=str(exc), at=at)
    return see_other(f"{path_of(version.name, version.version)}?done={done.seq}")


def _read(version: PromptVersion) -> tuple[Content | None, str]:
    """Read what a version says, or say why that cannot be trusted."""
    try:
        return version.read(), ""
    except TrimtabError as exc:
        return None, str(exc)


def _runs(shelf: Shelf, evidence: Sequence[Evidence]) -> Mapping[str, str]:
    """Find the stored runs that evidence is made of: their ids by the hash of the report."""
    wanted = {it.report for it in evidence if it.report and it.report.startswith(SHA256)}
    found: dict[str, str] = {}
    for card in shelf.cards() if wanted else ():
        report = SHA256 + card.content
        if report in wanted:
            found.setdefault(report, card.run_id)
        if len(found) == len(wanted):
            break
    return found


def _before(prompts: Prompts, version: PromptVersion) -> str | None:
    numbers = list(prompts.versions[version.name])
    at = numbers.index(version.version)
    return numbers[at - 1] if at else None


def _shown(engine: Engine, message: Message) -> Mapping[str, object]:
    return {"message": message, "runs": tuple(runs(engine, message.content or ""))}


def runs(engine: Engine, text: str) -> Iterator[tuple[bool, str]]:
    """Cut a text at its variables: each run with whether it is one."""
    at = 0
    for match in _MARKED[engine].finditer(text):
        if engine is Engine.TEMPLATE and not (match["named"] or match["braced"]):
            continue
        if match.start() > at:
            yield False, text[at : match.start()]
        yield True, match[0]
        at = match.end()
    if at < len(text):
        yield False, text[at:]


def _fields(content: Content, form: Mapping[str, str]) -> Iterator[Field]:
    for name, variable in content.variables.items():
        schema = variable.json_schema
        rest = {key: it for key, it in schema.items() if key not in _TOLD_ELSEWHERE}
        yield Field(
            name=name,
            variable=variable,
            about=str(schema.get("description", "")),
            type=str(schema.get("type", "any")),
            rules=_json(rest) if rest else "",
            default=_json(variable.default) if variable.has_default else None,
            is_text=_is_text(variable),
            given=form.get(VALUE + name, ""),
        )


def _values(content: Content, form: Mapping[str, str]) -> Mapping[str, object]:
    """Read the values of a form; what is left empty and may be, is left out."""
    values: dict[str, object] = {}
    for name, variable in content.variables.items():
        # Forms send ends of lines as CRLF.
        given = form.get(VALUE + name, "").replace("\r\n", "\n")
        if not given and (variable.has_default or not _is_text(variable)):
            continue
        values[name] = given if _is_text(variable) else _parsed(name, given)
    return values


def _parsed(name: str, text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as exc:
        raise InvalidRequest(
            f"the value of {name!r} is no JSON: {exc}; write texts in quotes", param=name
        ) from None


def _is_text(variable: Variable) -> bool:
    return variable.json_schema.get("type") == "string"


def _models(snapshot: Snapshot, content: Content | None) -> Sequence[str]:
    """Name the models to try, the one that the prompt is written for first."""
    known = sorted(snapshot.models)
    own = content.model.id if content is not None and content.model is not None else None
    return [own, *(it for it in known if it != own)] if own in known and own else known


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
