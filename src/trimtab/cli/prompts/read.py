"""Looking at prompts: `list`, `show`, `history`, `diff`, `render`, `verify`."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from trimtab.cli.options import PATH, common_options, home_option
from trimtab.cli.output import change_document, instant, print_json, print_listing, print_table
from trimtab.cli.prompts.ask import label_option, pointed, scope_option, tenant_option
from trimtab.control.prompts import Prompts
from trimtab.domain.errors import InvalidRequest, VersionCorrupt
from trimtab.domain.prompt import Place, PromptVersion
from trimtab.domain.rendering import NONCE_BYTES, compile_version
from trimtab.registry.diff import compare, lines
from trimtab.registry.jinja import ENGINES
from trimtab.registry.partials import flatten
from trimtab.registry.semver import required_between
from trimtab.registry.steps import version_of
from trimtab.wiring.registry import read_prompts, registry

BROKEN = 1


@click.command(name="list")
@common_options
def list_(home: Path, *, as_json: bool) -> None:
    """List prompts with their newest version and where production points.

    Example: trimtab prompts list
    """
    prompts = asyncio.run(registry(home).prompts())
    rows: list[list[str]] = []
    for name in sorted(prompts.versions):
        newest = prompts.newest(name)
        if newest is not None:
            labels = " ".join(f"{label}={at}" for label, at in _defaults(prompts, name))
            versions = str(len(prompts.versions[name]))
            rows.append([name, newest.version, versions, labels, newest.owner])
    if as_json:
        members = ("name", "newest", "versions", "labels", "owner")
        print_json({"prompts": [dict(zip(members, row, strict=True)) for row in rows]})
        return
    print_table(
        ["prompt", "newest", "versions", "labels", "owner"],
        rows,
        empty="no prompts yet; write one with `trimtab prompts new`, then `trimtab prompts push`",
    )


@click.command()
@click.argument("prompt")
@tenant_option
@common_options
def show(prompt: str, tenant: str | None, home: Path, *, as_json: bool) -> None:
    """Show a prompt: its versions and labels; of NAME@VERSION or NAME@LABEL the text, too.

    Example: trimtab prompts show rag-answer@production --tenant acme
    """
    prompts = asyncio.run(registry(home).prompts())
    name, at, _ = prompt.partition("@")
    version, won = pointed(prompts, prompt, tenant=tenant) if at else (None, None)
    if version is None and name not in prompts.versions:
        pointed(prompts, name)
    if as_json:
        print_json(_document(prompts, name, version))
        return
    if version is not None:
        _print_version(prompts, version, won)
        return
    print_table(["version", "hash", "published", "by", "state"], _versions(prompts, name))
    click.echo()
    print_table(
        ["label", "scope", "version", "moved by", "reason"],
        _labels(prompts, name),
        empty="no label points anywhere; `trimtab prompts promote` moves one",
    )


@click.command()
@click.argument("name")
@label_option
@scope_option
@common_options
def history(name: str, label: str, scope: str, home: Path, *, as_json: bool) -> None:
    """List the moves of a label, newest first.

    Example: trimtab prompts history rag-answer --label production
    """
    moves = asyncio.run(registry(home).labels.moves(Place(name, label, scope)))[::-1]
    print_listing(
        {"moves": [change_document(change) for change in moves]},
        moves,
        {
            "change": lambda it: str(it.seq),
            "when": lambda it: instant(it.ts_us),
            "moved": lambda it: _went(it.before, it.after),
            "by": lambda it: f"{it.author} ({it.source})",
            "reason": lambda it: it.reason,
        },
        empty="that label was never moved",
        as_json=as_json,
    )


@click.command()
@click.argument("before")
@click.argument("after")
@home_option
def diff(before: str, after: str, home: Path) -> None:
    """Show what changed between two versions, word by word, and the number that it asks for.

    Each is NAME@VERSION, NAME@LABEL or a prompt file.

    Example: trimtab prompts diff rag-answer@production prompts/rag-answer.prompt.yaml
    """
    prompts = asyncio.run(registry(home).prompts())
    old, new = (_either(prompts, it) for it in (before, after))
    for line in lines(compare(old, new)):
        click.echo(line)
    required = required_between(old, new)
    why = f" ({required})" if required.reasons else ""
    click.echo(f"required bump: {required.bump}{why}   {old.version} -> {new.version}")


@click.command()
@click.argument("prompt")
@click.option("--vars", "file", type=PATH, help="JSON file of variables.")
@click.option("--var", "given", multiple=True, metavar="NAME=TEXT", help="One variable as text.")
@tenant_option
@common_options
def render(
    prompt: str,
    file: Path | None,
    given: Sequence[str],
    tenant: str | None,
    home: Path,
    *,
    as_json: bool,
) -> None:
    """Render NAME@VERSION, NAME@LABEL or a prompt file, as a request would.

    Example: trimtab prompts render rag-answer@production --var question=why --var context=...
    """
    prompts = asyncio.run(registry(home).prompts())
    version = _either(prompts, prompt, tenant=tenant)
    variables = {**_read_variables(file), **dict(map(_read_variable, given))}
    compiled = compile_version(version, ENGINES)
    rendered = compiled.render(variables, nonce=os.urandom(NONCE_BYTES))
    if as_json:
        told = {"version": version.version, "hash": version.hash}
        print_json({**told, "messages": rendered.messages})
        return
    click.echo(f"{version.ref}  hash {version.short_hash}", err=True)
    for said in rendered.messages:
        click.echo(f"--- {said.role}")
        click.echo(said.content)


@click.command()
@common_options
def verify(home: Path, *, as_json: bool) -> None:
    """Hash every version again, and walk the change log that holds them. Exits 1 if any lies.

    Example: trimtab prompts verify
    """
    opened = registry(home)

    async def run() -> tuple[list[str], int, str | None]:
        prompts, verdict = await opened.prompts(), await opened.control.verify()
        bad: list[str] = []
        versions = [it for of_name in prompts.versions.values() for it in of_name.values()]
        for version in versions:
            try:
                version.read()
            except VersionCorrupt as exc:
                bad.append(str(exc))
        return bad, len(versions), verdict.fault

    bad, n, fault = asyncio.run(run())
    faults = [*bad, *((fault,) if fault else ())]
    if as_json:
        print_json({"versions": n, "faults": faults})
    for line in () if as_json else faults:
        click.echo(line, err=True)
    if not faults and not as_json:
        click.echo(f"{n} versions are what was published")
    if faults:
        raise SystemExit(BROKEN)


COMMANDS = (list_, show, history, diff, render, verify)


def _defaults(prompts: Prompts, name: str) -> list[tuple[str, str]]:
    labels = prompts.labels.get(name, {})
    return [
        (label, scoped["default"].label.version)
        for label, scoped in sorted(labels.items())
        if "default" in scoped
    ]


def _versions(prompts: Prompts, name: str) -> list[list[str]]:
    rows: list[list[str]] = []
    for version in reversed(prompts.versions[name].values()):
        change = prompts.published[version.ref]
        rows.append(
            [
                version.version,
                version.short_hash,
                instant(change.ts_us),
                change.author,
                _state(prompts, version),
            ]
        )
    return rows


def _state(prompts: Prompts, version: PromptVersion) -> str:
    yank = prompts.yanked.get(version.ref)
    if yank is not None:
        return f"{'blocked' if yank.blocked else 'yanked'}: {yank.reason}"
    said = [f"approved by {it.by}" for it in prompts.approvals.get(version.ref, ())]
    evidence = prompts.evidence.get(version.hash, ())
    said += [f"eval {'passed' if it.passed else 'failed'}" for it in evidence]
    return ", ".join(said)


def _labels(prompts: Prompts, name: str) -> list[list[str]]:
    return [
        [
            label,
            scope,
            pointed.label.version + (" (override)" if pointed.label.override else ""),
            f"{pointed.change.author}, change {pointed.change.seq}",
            pointed.change.reason,
        ]
        for label, scoped in sorted(prompts.labels.get(name, {}).items())
        for scope, pointed in sorted(scoped.items())
    ]


def _print_version(prompts: Prompts, version: PromptVersion, scope: str | None) -> None:
    where = f", in scope {scope}" if scope else ""
    click.echo(f"{version.ref}  hash {version.short_hash}{where}")
    for label in prompts.pointing_at(version.name, version.version):
        click.echo(f"label {label.label} ({label.scope})")
    state = _state(prompts, version)
    if state:
        click.echo(state)
    click.echo()
    click.echo(version.file.rstrip())


def _document(prompts: Prompts, name: str, version: PromptVersion | None) -> dict[str, object]:
    if version is not None:
        return {"version": version, "state": _state(prompts, version)}
    heads = ("version", "hash", "published", "by", "state")
    labels = ("label", "scope", "version", "by", "reason")
    return {
        "name": name,
        "versions": [dict(zip(heads, row, strict=True)) for row in _versions(prompts, name)],
        "labels": [dict(zip(labels, row, strict=True)) for row in _labels(prompts, name)],
    }


def _either(prompts: Prompts, text: str, *, tenant: str | None = None) -> PromptVersion:
    """Find a version in the registry, or read one from a file."""
    path = Path(text)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        [file] = read_prompts([path])
        return file.published_as(flatten(file.content, file.partials, prompts.find))
    return pointed(prompts, text, tenant=tenant)[0]


def _went(before: bytes | None, after: bytes | None) -> str:
    was, now = (version_of(it) or "nothing" for it in (before, after))
    return f"{was} -> {now}"


def _read_variables(file: Path | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except msgspec.DecodeError as exc:
        raise InvalidRequest(f"'{file}' is no JSON object of variables; write one") from exc


def _read_variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidRequest(f"{text[:64]!r} sets no variable; write NAME=TEXT")
    return name, value
