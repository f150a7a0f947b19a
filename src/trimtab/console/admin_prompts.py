"""The admin API of prompts: what is published, where labels point, and every move of both."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from trimtab.console.auth import Right
from trimtab.console.base import Visit
from trimtab.console.calls import Because, Reason, read_body
from trimtab.console.gate import MAX_FILE_BYTES
from trimtab.console.openapi import Call, Told
from trimtab.console.prompts import found_prompt, found_version, sent_path
from trimtab.console.wire import change_members
from trimtab.control.prompts import Pointed, Prompts, may_be_undone
from trimtab.domain.change import Change, PointerKind, Source
from trimtab.domain.errors import Forbidden, InvalidRequest, PreconditionRequired
from trimtab.domain.prompt import MOST_BYTES, PRODUCTION, Evidence, Place, PromptVersion
from trimtab.registry.diff import compare, lines
from trimtab.registry.format import read_file
from trimtab.registry.labels import existing
from trimtab.registry.plan import Status, Step

_IF_MATCH = re.compile(r'"([0-9]{1,18})"')
_Words = Annotated[str, Meta(max_length=2000)]


class PublishPrompt(Struct, forbid_unknown_fields=True):
    """Body of a call that publishes a version: `file` is the text of the prompt file."""

    file: Annotated[str, Meta(min_length=1, max_length=MOST_BYTES)]
    reason: Reason


class PromotePrompt(Struct, forbid_unknown_fields=True):
    """Body of a move of a label; `override` goes without what the label asks for."""

    version: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: Reason
    override: bool = False


class RollbackPrompt(Struct, forbid_unknown_fields=True):
    """Body of a move back: to the version before, to one it held, or the last that passed."""

    reason: Reason
    to: str | None = None
    green: bool = False


class YankPrompt(Struct, forbid_unknown_fields=True):
    """Body of a call that takes a version out of use; with `block` nobody may fetch it."""

    reason: Reason
    block: bool = False
    and_rollback: bool = False


class AddEvidence(Struct, forbid_unknown_fields=True):
    """Body of a call that tells what an evaluation of a version found."""

    passed: bool
    reason: Reason
    datasets: Annotated[tuple[_Words, ...], Meta(max_length=100)] = ()
    judge_valid: bool = True
    report: _Words = ""


async def list_prompts(visit: Visit) -> object:
    """List prompts."""
    prompts = await visit.console.registry.prompts()
    return {"prompts": [_listed(prompts, name) for name in sorted(prompts.versions)]}


async def read_prompt(visit: Visit) -> object:
    """Read a prompt: its versions, and where its labels point for a caller."""
    prompts, name = await found_prompt(visit)
    tenant, environment = visit.query("tenant") or None, visit.query("env") or None
    labels = prompts.labels.get(name, {})
    return {
        **_listed(prompts, name),
        "versions": [_version(prompts, it) for it in prompts.versions[name].values()],
        "labels": {
            label: {scope: _pointed(it) for scope, it in scoped.items()}
            for label, scoped in labels.items()
        },
        "ladder": {
            label: [
                {"scope": rung.scope, "at": _pointed(rung.pointed)}
                for rung in prompts.ladder(name, label, tenant=tenant, environment=environment)
            ]
            for label in labels
        },
    }


async def read_prompt_version(visit: Visit) -> object:
    """Read a version of a prompt."""
    prompts, version = await found_version(visit)
    _ = version.read()
    return {
        **_version(prompts, version),
        "content": msgspec.Raw(version.content.encode()),
        "file": version.file,
        "approvals": prompts.approvals.get(version.ref, ()),
        "evidence": prompts.evidence.get(version.hash, ()),
    }


async def list_prompt_moves(visit: Visit) -> object:
    """List the moves of a label, newest first."""
    _, name = await found_prompt(visit)
    label, scope = visit.query("label") or PRODUCTION, visit.query("scope") or "default"
    moves = await visit.console.registry.labels.moves(Place(name, label, scope))
    return {"moves": [change_members(it) for it in reversed(moves)]}


async def compare_prompt_versions(visit: Visit) -> object:
    """Compare two versions, and tell what the change asks of the number."""
    prompts, name = await found_prompt(visit)
    before, after = visit.query("from"), visit.query("to")
    if not before or not after:
        raise InvalidRequest("name two versions, as ?from=1.0.0&to=1.1.0", param="from")
    found = compare(existing(prompts, name, before), existing(prompts, name, after))
    return {
        "lines": list(lines(found)),
        "required": str(found.required.bump),
        "declared": str(found.declared),
        "enough": found.enough,
        "reasons": [
            {"bump": str(it.bump), "part": it.part, "what": it.what, "detail": it.detail}
            for it in found.required.reasons
        ],
    }


async def publish_prompt(visit: Visit) -> object:
    """Publish a version for ever; 200 if it is published with that content."""
    body = read_body(visit, PublishPrompt)
    name = visit.param("name")
    file = read_file(body.file, sent_path(name))
    if file.name != name:
        raise InvalidRequest(
            f"the file is of prompt '{file.name}', and was sent to '{name[:64]}'; send it there",
            param="file",
        )
    steps, changes = await visit.console.registry.publish(
        [file], visit.by(body.reason), may_jinja=visit.may(Right.ADMINISTER)
    )
    told = {**_step(steps[0]), **(_done(changes[0]) if changes else {"change": None})}
    return Told(told, 201 if changes else 200)


async def promote_prompt(visit: Visit) -> object:
    """Point a label at a version."""
    body = read_body(visit, PromotePrompt)
    visit.check_override(override=body.override)
    change = await visit.console.registry.labels.promote(
        _place(visit),
        body.version,
        visit.by(body.reason),
        expected_seq=_expected(visit),
        override=body.override,
    )
    return _done(change)


async def unset_prompt(visit: Visit) -> object:
    """Have a label of a scope point nowhere."""
    body = read_body(visit, Because)
    change = await visit.console.registry.labels.unset(
        _place(visit), visit.by(body.reason), expected_seq=_expected(visit)
    )
    return _done(change)


async def roll_back_prompt(visit: Visit) -> object:
    """Point a label at what it held before."""
    body = read_body(visit, RollbackPrompt)
    change = await visit.console.registry.labels.rollback(
        _place(visit), visit.by(body.reason), to=body.to, green=body.green
    )
    return _done(change)


async def yank_prompt(visit: Visit) -> object:
    """Take a version out of use."""
    body = read_body(visit, YankPrompt)
    changes = await visit.console.registry.yank(
        visit.param("name"),
        visit.param("version"),
        visit.by(body.reason),
        block=body.block,
        and_rollback=body.and_rollback,
    )
    # One undoes what was done last first: a label cannot go back to what is yanked.
    return {"changes": [_done(it) for it in reversed(changes)]}


async def unyank_prompt(visit: Visit) -> object:
    """Put a version back into use."""
    body = read_body(visit, Because)
    change = await visit.console.registry.unyank(
        visit.param("name"), visit.param("version"), visit.by(body.reason)
    )
    return _done(change)


async def approve_prompt(visit: Visit) -> object:
    """Say that a second person has read a version."""
    body = read_body(visit, Because)
    if visit.source is Source.API:
        raise Forbidden("a program cannot review a prompt; have a person approve it in the console")
    change = await visit.console.registry.approve(
        visit.param("name"), visit.param("version"), visit.by(body.reason)
    )
    return _done(change)


async def add_prompt_evidence(visit: Visit) -> object:
    """Attach what an evaluation of a version found."""
    body = read_body(visit, AddEvidence)
    _, version = await found_version(visit)
    evidence = Evidence(
        hash=version.hash,
        passed=body.passed,
        ts_us=visit.console.clock.now_us(),
        datasets=body.datasets,
        judge_valid=body.judge_valid,
        report=body.report,
    )
    change = await visit.console.registry.add_evidence(evidence, visit.by(body.reason))
    return _done(change)


def _place(visit: Visit) -> Place:
    return Place(visit.param("name"), visit.param("label"), visit.param("scope"))


def _expected(visit: Visit) -> int:
    """Read which change moved the label last, as the caller saw it."""
    given = visit.request.headers.get("if-match")
    if given is None:
        raise PreconditionRequired(
            'say which change moved the label last, as if-match: "418"; if none did, "0"'
        )
    match = _IF_MATCH.fullmatch(given.strip())
    if match is None:
        raise InvalidRequest(
            'if-match is no change; write its number in quotes, as "418"', param="if-match"
        )
    return int(match[1])


def _done(change: Change) -> Mapping[str, object]:
    """Tell what was done, and how it is undone."""
    path: str | None = f"/admin/v1/changes/{change.seq}/undo"
    if change.pointer.kind is PointerKind.PROMPT:
        name, _, number = change.pointer.name.partition("@")
        path = f"{_V1}/{name}/versions/{number}/yank"
    elif not may_be_undone(change):
        # Forwards again is a promotion, which a label may ask something for.
        path = None
    return {
        "change": change_members(change),
        "undo": None if path is None else {"method": "POST", "path": path},
    }


def _step(step: Step) -> Mapping[str, object]:
    version = step.version
    return {
        "version": step.file.version,
        "hash": None if version is None else version.hash,
        "is_new": step.status is Status.NEW,
        "findings": step.findings,
        "required": None if step.required is None else str(step.required.bump),
    }


def _listed(prompts: Prompts, name: str) -> Mapping[str, object]:
    newest = prompts.newest(name)
    served = prompts.at(Place(name))
    return {
        "name": name,
        "newest": None if newest is None else newest.version,
        "production": _pointed(served),
        "owner": newest.owner if newest else "",
        "description": newest.description if newest else "",
    }


def _pointed(pointed: Pointed | None) -> Mapping[str, object] | None:
    if pointed is None:
        return None
    label, change = pointed
    return {
        "version": label.version,
        "override": label.override,
        "rolled_back": label.rolled_back,
        "seq": change.seq,
        "by": change.author,
        "reason": change.reason,
    }


def _version(prompts: Prompts, version: PromptVersion) -> Mapping[str, Any]:
    published = prompts.published[version.ref]
    return {
        "version": version.version,
        "hash": version.hash,
        "shape_hash": version.shape_hash,
        "published_us": published.ts_us,
        "by": published.author,
        "yanked": prompts.yanked.get(version.ref),
        "git_commit": version.git_commit,
    }


_V1 = "/admin/v1/prompts"
_LABEL = f"{_V1}/{{name}}/labels/{{label}}/{{scope}}"
_VERSION = f"{_V1}/{{name}}/versions/{{version}}"
CALLS: Sequence[Call] = (
    Call("GET", _V1, Right.READ, list_prompts),
    Call("GET", f"{_V1}/{{name}}", Right.READ, read_prompt, query=("tenant", "env")),
    Call("GET", _VERSION, Right.READ, read_prompt_version),
    Call("GET", f"{_V1}/{{name}}/history", Right.READ, list_prompt_moves, query=("label", "scope")),
    Call("GET", f"{_V1}/{{name}}/diff", Right.READ, compare_prompt_versions, query=("from", "to")),
    Call(
        "POST",
        f"{_V1}/{{name}}/versions",
        Right.DRAFT,
        publish_prompt,
        body=PublishPrompt,
        status=201,
        max_bytes=MAX_FILE_BYTES,
    ),
    Call("PUT", _LABEL, Right.OPERATE, promote_prompt, body=PromotePrompt, header="If-Match"),
    Call("DELETE", _LABEL, Right.OPERATE, unset_prompt, body=Because, header="If-Match"),
    Call("POST", f"{_LABEL}/rollback", Right.OPERATE, roll_back_prompt, body=RollbackPrompt),
    Call("POST", f"{_VERSION}/yank", Right.OPERATE, yank_prompt, body=YankPrompt),
    Call("POST", f"{_VERSION}/unyank", Right.OPERATE, unyank_prompt, body=Because),
    Call("POST", f"{_VERSION}/approve", Right.DRAFT, approve_prompt, body=Because),
    Call("POST", f"{_VERSION}/evidence", Right.ADMINISTER, add_prompt_evidence, body=AddEvidence),
)
"""Every call about prompts, with the right it takes."""
