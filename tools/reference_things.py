# A program of its own, outside any package: it may look at what modules keep to themselves.
# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false
"""What the reference tells of: every command, setting, error, attribute and route in the code.

`subjects` sets each kind beside its sentences, and `gaps` names what is missing on either side.
"""

import ast
import inspect
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, NamedTuple, Union, cast, get_args, get_origin

import click
import msgspec
import reference_evals as evals
import reference_words as words

import trimtab.cli
from trimtab.console import auth
from trimtab.console.app import CALLS, PAGES
from trimtab.cost import overrides
from trimtab.domain import errors as domain
from trimtab.domain.allowance import Allowance, BudgetLeft
from trimtab.domain.errors import SettingsInvalid, TrimtabError
from trimtab.domain.ids import RequestId, TraceId
from trimtab.domain.model import Wire
from trimtab.domain.record import Attempt, Finish, RequestRecord, Sampling, StageTime, Status
from trimtab.gateway import errors, feedback, forward, headers, otlp, prompts, reply
from trimtab.gateway.app import Gateway
from trimtab.gateway.routing import TrimtabMember
from trimtab.pipeline.reply import Facts
from trimtab.settings import load
from trimtab.settings.sections import sections
from trimtab.sim import anthropic_statements, bill_faults, faults, openai_statements, script
from trimtab.sim import app as sim_app
from trimtab.sim import control as sim_control
from trimtab.sim.latency import PROFILES
from trimtab.store import filter_text
from trimtab.telemetry.facts import FIELDS
from trimtab.telemetry.log_line import LogLine
from trimtab.telemetry.semconv import DEFAULT
from trimtab.telemetry.spans import Source, render, resource_spans

ROOT = Path(__file__).resolve().parents[1]

_FAMILIES = ("refused", "try_later", "upstream_failed")
_SENTENCE = re.compile(r"[A-Z`'0-9].*[.?`]", re.DOTALL)


class Subject(NamedTuple):
    """One kind of thing: what the code has of it, and what is said about each."""

    found: Iterable[str]
    said: Mapping[str, str]


def gaps(subject: Subject) -> list[str]:
    """Name what has no sentence, and sentences about nothing."""
    found = set(subject.found)
    missing = [
        f"{name} has no sentence"
        for name in sorted(found)
        if not _SENTENCE.fullmatch(subject.said.get(name, ""))
    ]
    return missing + [f"{name} is not in the code" for name in sorted(set(subject.said) - found)]


def subjects() -> dict[str, Subject]:
    """Give every kind of thing that must be documented."""
    attempted, staged, resources = attributes()
    named = {FIELDS[name]: text for name, text in words.FIELDS.items() if name in FIELDS}
    return {
        "commands": Subject(
            [command.name for command in commands()],
            {command.name: told(command.about)[0] for command in commands()},
        ),
        "options": Subject(
            [f"{command.name} {option.opts[0]}" for command, option in options()],
            {
                f"{command.name} {option.opts[0]}": option.help or ""
                for command, option in options()
            },
        ),
        "arguments": Subject([name for name, _ in arguments()], words.ARGUMENTS),
        "exit codes": Subject(_exit_codes(), {str(k): v for k, v in words.EXIT_CODES.items()}),
        "filters": Subject((*filter_text.FIELDS, *filter_text.TIMES), words.FILTERS),
        "settings": Subject(settings(), {path: it.meaning for path, it in words.SETTINGS.items()}),
        "environment": Subject(
            environment(), {name: text for name, (_, text) in words.ENVIRONMENT.items()}
        ),
        "errors": Subject(
            [kind.code for kind in kinds()],
            {kind.code: first_line(kind) for kind in kinds()},
        ),
        "remedies": Subject(
            [kind.code for kind in kinds()],
            {code: it.what for code, it in words.REMEDIES.items()},
        ),
        "record fields": Subject(FIELDS, words.FIELDS),
        "attributes": Subject({*attempted, *staged}, {**named, **words.ATTRIBUTES}),
        "resource": Subject(resources, words.RESOURCE),
        "log line": Subject(
            LogLine.__struct_fields__,
            {
                **{key: words.FIELDS[key] for key in _shared_log_keys()},
                **words.LOG_KEYS,
            },
        ),
        "response headers": Subject(response_headers(), words.RESPONSE_HEADERS),
        "request headers": Subject(request_headers(), words.REQUEST_HEADERS),
        "body members": Subject(TrimtabMember.__struct_fields__, words.BODY_MEMBERS),
        "gateway routes": Subject(gateway_routes(), words.GATEWAY_ROUTES),
        "pages": Subject([f"{page.method} {page.path}" for page in PAGES], words.PAGES),
        "calls": Subject(
            [f"{call.method} {call.path}" for call in CALLS],
            {f"{call.method} {call.path}": f"{call.summary}." for call in CALLS},
        ),
        "rights": Subject(auth.Right, words.RIGHTS),
        "simulator routes": Subject(sim_routes(), words.SIM_ROUTES),
        "faults": Subject(faults.NAMES, words.FAULTS),
        "faults of the bill": Subject(bill_faults.KINDS, words.BILL_FAULTS),
        "fault options": Subject(
            faults._OPTIONS, {name: text for name, (_, text) in words.FAULT_OPTIONS.items()}
        ),
        "script": Subject(
            script._READERS, {name: text for name, (_, text) in words.SCRIPT.items()}
        ),
        "latencies": Subject(PROFILES, words.LATENCIES),
        "prices": Subject(price_members(), words.PRICE_MEMBERS),
        "statuses": Subject(Status, words.RECORD_STATUSES),
        **{kind: Subject(found, said) for kind, (found, said) in evals.things().items()},
    }


class CommandPage(NamedTuple):
    """A command with its full name and its help."""

    name: str
    command: click.Command
    about: str


def commands() -> list[CommandPage]:
    """List every command that does something, in the order of the help."""
    return [*_within("", trimtab.cli.program)]


def _within(name: str, command: click.Command) -> Iterator[CommandPage]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for verb in command.list_commands(context):
            it = command.get_command(context, verb)
            assert it is not None  # noqa: S101 -- the group's own name for it
            yield from _within(f"{name} {verb}".strip(), it)
    else:
        yield CommandPage(name, command, command.help or "")


def options() -> Iterator[tuple[CommandPage, click.Option]]:
    """List every option a user may give."""
    for command in commands():
        for param in command.command.params:
            if isinstance(param, click.Option) and not param.hidden:
                yield command, param


def arguments() -> Iterator[tuple[str, click.Argument]]:
    """List every argument."""
    for command in commands():
        for param in command.command.params:
            if isinstance(param, click.Argument):
                yield f"{command.name} {str(param.name).upper()}", param


def settings() -> list[str]:
    """List every member of the file, found by writing nonsense and reading what is wrong."""
    return [path for name in sections({}) for path in _probe(name, [name])]


def environment() -> list[str]:
    """List the environment variables that the code reads."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "src/trimtab").rglob("*.py")))
    return sorted(set(re.findall(r'"(TRIMTAB_[A-Z_]+)"', text)))


def kinds() -> list[type[TrimtabError]]:
    """List the classes of errors that somebody can meet, in the order of the module."""
    found = [
        kind
        for kind in vars(domain).values()
        if isinstance(kind, type) and issubclass(kind, TrimtabError)
    ]
    return [kind for kind in found if kind.code not in _FAMILIES]


def attributes() -> tuple[set[str], set[str], set[str]]:
    """Name what is on root and stage spans, on attempts, and on the resource.

    A record with everything filled in is rendered, so nothing is left out.
    """
    record = msgspec.structs.replace(
        _filled(RequestRecord),
        trace_id="1" * 32,
        span_id="1" * 16,
        parent_span_id="1" * 16,
        operation="chat",
        wire="openai.chat",
        status="error",
    )
    attempt = _filled(Attempt)
    finish = Finish(
        record=record,
        detail=msgspec.convert(
            {
                "stages": [StageTime(it, 0, 1) for it in ("admit", "plan", "fund", "settle")],
                "sampling": Sampling(policy="x", slow_ms=1),
                "baggage": [("KEY", "x")],
            },
            type(Finish(record=record).detail),
        ),
        attempts=tuple(msgspec.structs.replace(attempt, n=n) for n in range(1, 80)),
    )
    spans = render(finish, DEFAULT)
    about = resource_spans(Source("w", "dev"), spans, {"service.version": "1"}, DEFAULT).resource
    attempted = {pair.key for span in spans for pair in span.attributes if span.name == "chat x"}
    others = {pair.key for span in spans for pair in span.attributes if span.name != "chat x"}
    return others, attempted, {pair.key for pair in about.attributes}


def response_headers() -> list[str]:
    """List the headers of our own that an answer may have."""
    facts = Facts(
        request_id=RequestId("r"),
        trace_id=TraceId("t"),
        config_seq=1,
        target="t",
        attempts=1,
        dropped=("seed",),
        degraded=True,
        downgraded="chat-small",
        shadowed=("requests",),
        cost_nano=1,
        usage_source="provider",
        estimated=True,
        replayed=True,
        allowances=(Allowance("requests", 1, 1, 0.0), Allowance("tokens", 1, 1, 0.0)),
    )
    told = [*reply.told(facts), *reply.spent(facts), *reply.budgeted(BudgetLeft(1, 1))]
    for wire in (Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES):
        told += reply.allowed(facts, wire)
    told += errors.retry_headers(domain.RateLimited("x", wait_s=1.0))
    return list(dict.fromkeys(name.decode() for name, _ in told))


def request_headers() -> list[str]:
    """List the headers that are read."""
    return [name.decode() for name in headers._READERS]


def gateway_routes() -> list[str]:
    """List what the gateway serves, and what it passes on."""
    stand_in = cast("Any", SimpleNamespace(identify=SimpleNamespace(snapshot=None), clock=None))
    gateway = Gateway(stand_in, bytes, (), cast("Any", None), max_body=1)
    own = [f"{method} {path}" for method, path in gateway._routes]
    passed_on = (*forward.PREFIXES, *forward.PATHS)
    return [
        *own,
        "GET /v1/models/{id}",
        f"POST {feedback.PATH}",
        *prompts.ROUTES,
        *otlp.ROUTES,
        *passed_on,
    ]


def sim_routes() -> list[str]:
    """List what the simulator serves, from the cases of its `match` statements."""
    told = [f"GET {it}" for it in (*openai_statements.ROUTES, *anthropic_statements.ROUTES)]
    return [*_cases(sim_app), "GET /v1/models", *told, *_cases(sim_control)]


def price_members() -> list[str]:
    """List what an entry of `prices.overrides` may hold."""
    rest = [field.encode_name for field in msgspec.structs.fields(overrides._Entry)]
    return [*overrides._PRICES, *rest]


def _shared_log_keys() -> list[str]:
    return [key for key in LogLine.__struct_fields__ if key in FIELDS]


def _exit_codes() -> list[str]:
    return re.findall(r"\b([0-9]) [a-z]", (trimtab.cli.__doc__ or "").partition("Exit codes:")[2])


def first_line(kind: type) -> str:
    """Give what a docstring says first."""
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _cases(module: object) -> list[str]:
    tree = ast.parse(inspect.getsource(cast("Any", module)))
    found: list[str] = []
    for case in ast.walk(tree):
        if isinstance(case, ast.MatchSequence):
            values = [
                part.value.value
                for part in case.patterns
                if isinstance(part, ast.MatchValue) and isinstance(part.value, ast.Constant)
            ]
            if len(values) == 2:  # noqa: PLR2004 -- method and path
                found.append(" ".join(str(value) for value in values))
    return found


_TAKES = re.compile(r"is not a map; it takes (.*)$")


def _probe(path: str, place: Sequence[str]) -> list[str]:
    """Find the members below a place; a place without members is a setting itself."""
    fault = _fault(place)
    found = _TAKES.search(fault)
    if found:
        below = [
            setting
            for name in found[1].split(", ")
            for setting in _probe(f"{path}.{name}", [*place, name])
        ]
    elif "is not a map; write `name: {...}` for each" in fault:
        below = _probe(f"{path}.NAME", [*place, "x"])
        if below == [f"{path}.NAME"]:
            return [path]
    elif "is not a list; write `- {" in fault:
        below = _probe(f"{path}[]", [*place, "[]"])
    else:
        return [path]
    return below


def _fault(place: Sequence[str]) -> str:
    """Write a number where it cannot be, and give what is said about that place."""
    value: object = 7
    for name in reversed(place):
        value = [value] if name == "[]" else {name: value}
    document = {"version": 1, **cast("dict[str, object]", value)}
    where = ".".join(place).replace(".[]", "[0]")
    for line in _wrong(json.dumps(document)):
        _, _, rest = line.partition(f": {where}: ")
        if rest:
            return rest
    return ""


def _wrong(text: str) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "trimtab.yaml"
        file.write_text(text)
        try:
            load(file, {})
        except SettingsInvalid as exc:
            return str(exc).splitlines()
    return []


def _filled(kind: type[Any]) -> Any:  # noqa: ANN401
    """Make a struct with every member set."""
    return kind(**{it.name: _sample(it.type) for it in msgspec.structs.fields(kind)})


def _sample(kind: Any) -> Any:  # noqa: ANN401
    if get_origin(kind) in (Union, UnionType):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    samples: dict[object, object] = {str: "x", int: 1, float: 1.0, bool: True, bytes: b"x"}
    return samples[kind]


def told(about: str) -> tuple[str, str]:
    """Part a docstring into what it says and its example."""
    text, _, example = about.partition("Example:")
    return " ".join(text.split()), " ".join(example.split())
