# A program of its own, outside any package: it may look at what modules keep to themselves,
# and holds sentences.
# ruff: noqa: SLF001, E501, ISC004
# pyright: reportPrivateUsage=false
"""Write `docs/reference/` from the code: `tools/reference.py`, or `--check` to compare alone.

What there is comes from the code; what it means, where the code does not say, from
`reference_words.py`. `gaps` names what is missing on either side.
"""

import ast
import inspect
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, NamedTuple, Union, cast, get_args, get_origin

import click
import msgspec
import reference_words as words

import trimtab.cli
from trimtab.cli import COMMANDS, LazyGroup
from trimtab.console import admin, auth, failure
from trimtab.console.app import PAGES
from trimtab.cost import overrides
from trimtab.cost.lock import shipped_lock
from trimtab.domain import errors as domain
from trimtab.domain.errors import SettingsInvalid, TrimtabError
from trimtab.domain.ids import RequestId, TraceId
from trimtab.domain.model import Wire
from trimtab.domain.record import Attempt, Finish, RequestRecord, StageTime, Status
from trimtab.gateway import errors, forward, headers, reply
from trimtab.gateway.app import Gateway
from trimtab.gateway.body import TrimtabMember
from trimtab.local import lock as local_lock
from trimtab.pipeline.reply import Facts
from trimtab.settings import load
from trimtab.settings.sections import sections
from trimtab.sim import app as sim_app
from trimtab.sim import control as sim_control
from trimtab.sim import faults, script
from trimtab.sim.latency import PROFILES
from trimtab.sim.models import MODELS
from trimtab.store import filter_text
from trimtab.telemetry.facts import FIELDS
from trimtab.telemetry.log_line import LogLine
from trimtab.telemetry.semconv.versions import DEFAULT
from trimtab.telemetry.spans import Source, render, resource_spans

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/reference"
NOTICE = "<!-- Written by tools/reference.py from the code: change that, then run `make docs`. -->"

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
            {command.name: _told(command.about)[0] for command in commands()},
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
        "filters": Subject(filter_text.FIELDS, words.FILTERS),
        "settings": Subject(settings(), {path: it.meaning for path, it in words.SETTINGS.items()}),
        "environment": Subject(
            environment(), {name: text for name, (_, text) in words.ENVIRONMENT.items()}
        ),
        "errors": Subject(
            [kind.code for kind in kinds()],
            {kind.code: _first_line(kind) for kind in kinds()},
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
            [f"{call.method} {call.path}" for call in admin.CALLS],
            {f"{call.method} {call.path}": f"{call.summary}." for call in admin.CALLS},
        ),
        "rights": Subject(auth.Right, words.RIGHTS),
        "simulator routes": Subject(sim_routes(), words.SIM_ROUTES),
        "faults": Subject(faults.NAMES, words.FAULTS),
        "fault options": Subject(
            faults._OPTIONS, {name: text for name, (_, text) in words.FAULT_OPTIONS.items()}
        ),
        "script": Subject(
            script._READERS, {name: text for name, (_, text) in words.SCRIPT.items()}
        ),
        "latencies": Subject(PROFILES, words.LATENCIES),
        "prices": Subject(price_members(), words.PRICE_MEMBERS),
        "statuses": Subject(Status, words.RECORD_STATUSES),
    }


# --- what there is ---


class CommandPage(NamedTuple):
    """A command with its full name and its help."""

    name: str
    command: click.Command
    about: str


def commands() -> list[CommandPage]:
    """List every command that does something, in the order of the help."""
    group: LazyGroup = trimtab.cli.program
    context = click.Context(group)
    found: list[CommandPage] = []
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None  # noqa: S101 -- the table is the group's own
        if isinstance(command, click.Group):
            found += [
                CommandPage(f"{name} {verb}", it, it.help or "")
                for verb, it in command.commands.items()
            ]
        else:
            found.append(CommandPage(name, command, command.help or ""))
    return found


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
            {"stages": [StageTime(it, 0, 1) for it in ("admit", "plan", "fund", "settle")]},
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
        cost_nano=1,
        usage_source="provider",
    )
    told = [*reply.told(facts), *reply.spent(facts)]
    told += errors.retry_headers(domain.RateLimited("x", wait_s=1.0))
    return list(dict.fromkeys(name.decode() for name, _ in told))


def request_headers() -> list[str]:
    """List the headers that are read."""
    return [name.decode() for name in headers._READERS]


def gateway_routes() -> list[str]:
    """List what the gateway serves, and what it passes on."""
    stand_in = cast("Any", SimpleNamespace(identify=SimpleNamespace(snapshot=None), clock=None))
    gateway = Gateway(stand_in, bytes, None, cast("Any", None), max_body=1)
    own = [f"{method} {path}" for method, path in gateway._routes]
    return [*own, "GET /v1/models/{id}", *forward.PREFIXES, "/"]


def sim_routes() -> list[str]:
    """List what the simulator serves, from the cases of its `match` statements."""
    return [*_cases(sim_app), "GET /v1/models", *_cases(sim_control)]


def price_members() -> list[str]:
    """List what an entry of `prices.overrides` may hold."""
    rest = [field.encode_name for field in msgspec.structs.fields(overrides._Entry)]
    return [*overrides._PRICES, *rest]


def _shared_log_keys() -> list[str]:
    return [key for key in LogLine.__struct_fields__ if key in FIELDS]


def _exit_codes() -> list[str]:
    return re.findall(r"\b([0-9]) [a-z]", (trimtab.cli.__doc__ or "").partition("Exit codes:")[2])


def _first_line(kind: type) -> str:
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


# --- how it is written ---


def pages() -> dict[str, str]:
    """Give every page by its file name."""
    made: Mapping[str, Callable[[], list[str]]] = {
        "commands.md": _commands_page,
        "settings.md": _settings_page,
        "errors.md": _errors_page,
        "attributes.md": _attributes_page,
        "routes.md": _routes_page,
        "faults.md": _faults_page,
        "models.md": _models_page,
        "README.md": _index,
    }
    return {name: _joined(write()) for name, write in made.items()}


def _joined(parts: list[str]) -> str:
    return "\n\n".join([parts[0], NOTICE, *parts[1:]]) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _code(text: str) -> str:
    return f"`{text}`"


def _told(about: str) -> tuple[str, str]:
    """Part a docstring into what it says and its example."""
    text, _, example = about.partition("Example:")
    return " ".join(text.split()), " ".join(example.split())


def _index() -> list[str]:
    rows = [
        ("[commands](commands.md)", "every command, option and exit code"),
        ("[settings](settings.md)", "every member of `trimtab.yaml`, every environment variable"),
        ("[errors](errors.md)", "every error code, and what to do about it"),
        ("[attributes](attributes.md)", "spans, log line and headers"),
        ("[routes](routes.md)", "gateway, console, admin API, simulator"),
        ("[faults](faults.md)", "what the simulator does wrong on demand"),
        ("[models](models.md)", "models and prices that come with Trimtab"),
    ]
    return [
        "# Reference",
        "Written from the code; a test fails when it differs.",
        _table(["page", "what is there"], rows),
    ]


def _commands_page() -> list[str]:
    parts = [
        "# Commands",
        "`trimtab COMMAND --help` says the same. `trimtab --version` prints the version.",
        "A command that changes something prints the number of its change and how to undo it. With"
        " `--json` it prints JSON for programs.",
    ]
    for name, command, about in commands():
        text, example = _told(about)
        parts += [f"## trimtab {name}", text]
        args = [(it, arg) for it, arg in arguments() if it.rpartition(" ")[0] == name]
        if args:
            rows = [(_code(it.rpartition(" ")[2]), words.ARGUMENTS.get(it, "")) for it, _ in args]
            parts.append(_table(["argument", "meaning"], rows))
        rows3 = [
            (_code(_option(option)), _default(option), option.help or "")
            for it, option in options()
            if it.command is command
        ]
        if rows3:
            parts.append(_table(["option", "default", "meaning"], rows3))
        parts.append(f"```sh\n{example}\n```")
    codes = [(str(code), text) for code, text in words.EXIT_CODES.items()]
    parts += ["## Exit codes", _table(["code", "meaning"], codes)]
    rows3 = [
        (_code(f"{name}:"), words.FILTER_VALUES.get(name, _filter_words(name)), text)
        for name, text in words.FILTERS.items()
    ]
    return [
        *parts,
        "## Filters",
        "`trimtab tail`, the console and the admin API take the same words, joined by `and`:"
        " `tenant:acme status:error latency_ms:>2000 since:24h`.",
        _table(["filter", "value", "meaning"], rows3),
    ]


def _filter_words(name: str) -> str:
    _, read = filter_text.FIELDS[name]
    try:
        read("?", 0)
    except TrimtabError as exc:
        return ", ".join(_code(word) for word in str(exc).partition(" is none of ")[2].split(", "))
    return "text"


def _option(option: click.Option) -> str:
    name = option.opts[0]
    if option.is_flag:
        return name
    if isinstance(option.type, click.Choice):
        return f"{name} {'|'.join(str(it) for it in option.type.choices)}"
    kind = {"integer range": "N", "integer": "N", "float range": "HOURS", "datetime": "DATE"}
    return f"{name} {kind.get(option.type.name, option.type.name.upper())}"


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    if option.multiple:
        return "none; may be repeated"
    default = option.default
    if option.opts[0] in words.OPTION_DEFAULTS and not isinstance(default, str | int):
        return words.OPTION_DEFAULTS[option.opts[0]]
    if option.is_flag:
        return "off"
    return _code(str(default)) if isinstance(default, str | int | float) else ""


def _settings_page() -> list[str]:
    parts = [
        "# Settings",
        "`trimtab.yaml` is the whole configuration in one file. `trimtab init` writes a commented"
        " one, `trimtab check` says what is wrong with yours: file, line, and what to write instead."
        " Unknown members are errors, and `null` is the same as not written.",
        "Sizes are a number with B, KiB, MiB or GiB. Durations are a number with ms, s, m or h, up"
        " to a day. Dates are written 2027-01-31. A **reference** names a secret and is never the"
        " secret itself: `env:NAME` or `file:PATH`. Names are lower-case letters, digits, `.`, `_`"
        " and `-`; names of models may have upper case and `:`, too.",
    ]
    by_section: dict[str, list[tuple[str, words.Setting]]] = {}
    for path in settings():
        if path in words.SETTINGS:
            section = re.split(r"[.\[]", path)[0]
            by_section.setdefault(section, []).append((path, words.SETTINGS[path]))
    for section, members in by_section.items():
        rows = [
            (
                _code(path),
                it.takes,
                _code(it.default) if it.default is not None else it.unsaid,
                it.meaning,
            )
            for path, it in members
        ]
        parts += [f"## {section}", _table(["member", "takes", "default", "meaning"], rows)]
    rows = [
        (_code(name), default, text)
        for name, (default, text) in {**words.ENVIRONMENT, **words.FOREIGN_ENVIRONMENT}.items()
    ]
    return [
        *parts,
        "## Environment variables",
        "An option wins over a variable, a variable over the file. Secrets live in variables or"
        " files of your choice, which `env:` and `file:` name.",
        _table(["variable", "default", "meaning"], rows),
    ]


def _errors_page() -> list[str]:
    parts = [
        "# Errors",
        "Every error has a code that does not change: it is on the wire, in the record as"
        " `error_code`, on the span as `error.type`, and the word to grep for. The message says what"
        " happened and what to do.",
        "On OpenAI's wire the code is `error.code`, on Anthropic's `error.details.error_code`, and"
        " on both it is the header `x-trimtab-error`. Where OpenAI has a code of its own that apps"
        " already test, OpenAI's wire sends that one. A stream that fails after its first content"
        " ends with an error event; its status was sent before and stays 200.",
        "*SDKs retry* tells whether `x-should-retry` is true: the official SDKs then try again by"
        " themselves, after `retry-after`.",
    ]
    rows = [_error_row(kind) for kind in kinds() if kind.code in errors.SHAPES]
    head = ["code", "OpenAI", "Anthropic", "SDKs retry", "who acts"]
    parts += ["## On the wire", _table(head, rows)]
    admin_rows = [
        (_code(kind.code), str(_admin_status(kind)), _first_line(kind))
        for kind in kinds()
        if kind.code not in errors.SHAPES
        or kind.code in ("unauthenticated", "forbidden", "not_found")
    ]
    parts += [
        "## In the console and the admin API",
        'The admin API answers `{"error": {"code": ..., "message": ...}}`, the console a page. They'
        " use the codes of this page; these differ from the wires or occur only there.",
        _table(["code", "status", "meaning"], admin_rows),
        "## In records only",
        _table(["code", "meaning"], [(_code(k), v) for k, v in words.RECORD_CODES.items()]),
        "## Each code",
    ]
    for kind in kinds():
        remedy = words.REMEDIES.get(kind.code)
        parts += [
            f"### {kind.code}",
            _first_line(kind),
            f"*To do ({remedy.who}):* {remedy.what}" if remedy else "",
        ]
    return parts


def _error_row(kind: type[TrimtabError]) -> tuple[str, ...]:
    shape = errors.SHAPES[kind.code]
    error = kind("x", status=418) if kind is domain.ProviderRefused else kind("x")
    remedy = words.REMEDIES.get(kind.code)
    openai, anthropic = (str(errors.http_status(error, wire)) for wire in Wire)
    if kind is domain.ProviderRefused:
        openai = anthropic = "the provider's own 4xx,"
    code = f", code `{shape.openai_code}`" if shape.openai_code else ""
    return (
        f"[`{kind.code}`](#{kind.code})",
        f"{openai} `{shape.openai_type}`{code}",
        f"{anthropic} `{shape.anthropic_type}`",
        "yes" if shape.retry else "no",
        remedy.who if remedy else "",
    )


def _admin_status(kind: type[TrimtabError]) -> int:
    return next(status for base, status in failure.STATUS if issubclass(kind, base))


def _attributes_page() -> list[str]:
    others, attempted, resources = attributes()
    said = subjects()["attributes"].said

    def rows(names: Iterable[str]) -> list[tuple[str, str]]:
        order = {name: number for number, name in enumerate(said)}
        return [
            (_code(it), said.get(it, "")) for it in sorted(names, key=lambda it: order.get(it, 0))
        ]

    keys = subjects()["log line"].said
    conventions = DEFAULT.schema_url.rpartition("/")[2]
    return [
        "# Attributes, log line and headers",
        "## Spans",
        f"A request is one trace: a root span, one span for each stage, and one for each attempt at a"
        f" provider. Names beginning with `gen_ai.` are those of version {conventions} of the"
        " OpenTelemetry GenAI conventions. Usage is on attempts alone, because backends sum"
        " `gen_ai.usage.*` over all spans. What people wrote is never part of a span. An attribute"
        " that is unknown is absent.",
        "### Root and stages",
        "The root is named `POST /v1/chat/completions` or as its route is; stages are"
        " `trimtab.admit`, `trimtab.plan`, `trimtab.screen_input`, `trimtab.fund` and"
        " `trimtab.settle`.",
        _table(["attribute", "meaning"], rows(others)),
        "### Attempts",
        "Named by operation and model, as `chat large`; kind CLIENT, with an event `first_chunk`.",
        _table(["attribute", "meaning"], rows(attempted)),
        "### Resource",
        _table(
            ["attribute", "meaning"],
            [(_code(it), words.RESOURCE.get(it, "")) for it in sorted(resources)],
        ),
        "## Log line",
        "One JSON line for each request in `log/requests-YYYYMMDD.jsonl` of the state directory, and"
        " on standard output if `log_line.stdout` says so. No key is renamed or removed within a major"
        " version. What people wrote is never in it.",
        _table(
            ["key", "meaning"], [(_code(it), keys.get(it, "")) for it in LogLine.__struct_fields__]
        ),
        "### How a request ends",
        _table(["status", "meaning"], [(_code(k), v) for k, v in words.RECORD_STATUSES.items()]),
        "## Response headers",
        _table(
            ["header", "meaning"],
            [(_code(it), words.RESPONSE_HEADERS.get(it, "")) for it in response_headers()],
        ),
        "A stream ends with the comment `: trimtab {...}`, which SSE clients skip: `request_id`,"
        " `cost_usd`, `usage`, `target` and `attempts`.",
        "## Request headers",
        "Every other header stops at Trimtab; an unknown one that begins with `x-trimtab-` is refused,"
        " so that a typing error shows.",
        _table(
            ["header", "meaning"],
            [(_code(it), words.REQUEST_HEADERS.get(it, "")) for it in request_headers()],
        ),
        "## Body member `trimtab`",
        "An object beside the wire's own members; it is taken out before the provider is called. It"
        " wins over the headers.",
        _table(
            ["member", "meaning"],
            [(_code(it), words.BODY_MEMBERS.get(it, "")) for it in TrimtabMember.__struct_fields__],
        ),
    ]


def _routes_page() -> list[str]:
    gateway = [(_code(it), words.GATEWAY_ROUTES.get(it, "")) for it in gateway_routes()]
    calls = [
        (
            _code(f"{call.method} {call.path}"),
            _code(call.right),
            ", ".join(_code(it) for it in call.query) or "",
            f"{call.summary}.",
        )
        for call in admin.CALLS
    ]
    shown = [
        (
            _code(f"{page.method} {page.path}"),
            _code(page.right) if page.right else "none",
            words.PAGES.get(f"{page.method} {page.path}", ""),
        )
        for page in PAGES
    ]
    roles = [
        (_code(role), *("yes" if right in rights else "" for right in auth.Right))
        for role, rights in auth.RIGHTS.items()
    ]
    return [
        "# Routes",
        "## Gateway",
        _table(["route", "what it does"], gateway),
        "## Rights and roles",
        _table(["right", "lets you"], [(_code(it), words.RIGHTS.get(it, "")) for it in auth.Right]),
        _table(["role", *(_code(it) for it in auth.Right)], roles),
        "A role may add one right, as `operator+content`. The account `admin` is made at the first"
        " start; there is no command that makes others yet.",
        "## Admin API",
        "For programs: `authorization: Bearer` and the token that `gateway.admin_key` refers to, which"
        " has every right. `GET /admin/v1/openapi.json` describes the calls to anybody. Sequences are"
        " pages of 100; `next` is the `cursor` of the following one.",
        _table(["call", "right", "query", "what it does"], calls),
        "## Console",
        _table(["page or form", "right", "what it does"], shown),
        "## Simulator",
        "`trimtab sim`, or the one that `trimtab up` starts.",
        _table(
            ["route", "what it does"],
            [(_code(it), words.SIM_ROUTES.get(it, "")) for it in sim_routes()],
        ),
    ]


def _faults_page() -> list[str]:
    rows = [
        (
            _code(name),
            kind.form or "none",
            _code(f"{kind.default}") if kind.form and kind.default is not None else "",
            words.FAULTS.get(name, ""),
        )
        for name, kind in faults._KINDS.items()
    ]
    return [
        "# Faults of the simulator",
        "One call asks for faults with a suffix of the model's name, as"
        " `sim/large!cut_after:3!bad_line`, or with the header `x-sim-fault` when it calls the simulator"
        " itself. All calls are hit by rules: `trimtab sim --fault 'cut_after:3 rate=0.02'`, or"
        " `PUT /_sim/faults`.",
        _table(["fault", "value", "default", "what happens"], rows),
        "## Rules",
        "A rule is a fault, then whom it hits.",
        _table(
            ["option", "as", "meaning"],
            [(_code(it), *words.FAULT_OPTIONS.get(it, ("", ""))) for it in faults._OPTIONS],
        ),
        "## What a prompt may ask for",
        "The last user message may say what the answer shall be.",
        _table(
            ["entry", "as", "what happens"],
            [(_code(it), *words.SCRIPT.get(it, ("", ""))) for it in script._READERS],
        ),
        "## Latency",
        "`trimtab sim --latency NAME`.",
        _table(
            ["name", "how long answers take"],
            [(_code(it), words.LATENCIES.get(it, "")) for it in PROFILES],
        ),
    ]


def _models_page() -> list[str]:
    lock = shipped_lock()
    counts: dict[str, int] = {}
    for row in lock.rows:
        counts[row.provider] = counts.get(row.provider, 0) + 1
    sims = [
        (
            _code(name),
            f"{model.context:,}",
            model.prices.input,
            model.prices.cache_read,
            model.prices.output,
        )
        for name, model in MODELS.items()
    ]
    local = [
        (_code(it.name), it.title, f"{it.file.bytes / 1e6:.0f} MB", it.licence)
        for it in local_lock.shipped()
    ]
    return [
        "# Models and prices",
        "## Simulator",
        "Each model also has a dated name, `-2026-01-15`. `sim/reasoner` reasons, `sim/embed` embeds."
        " USD per million tokens, fixed in the demo's `prices.overrides`.",
        _table(["model", "most input tokens", "input", "cache read", "output"], sims),
        "## Local",
        "`trimtab local-models pull NAME`.",
        _table(["name", "model", "size", "licence"], local),
        "## Built-in prices",
        f"Version `{lock.price_version}`, {len(lock.rows):,} rows, from {lock.source}. A provider's"
        " models are priced under the provider's name in `trimtab.yaml`, or under its `prices_as`.",
        _table(
            ["provider", "rows"], [(_code(it), str(count)) for it, count in sorted(counts.items())]
        ),
        "## Prices of your own",
        "An entry of `prices.overrides` is a pattern of `provider/model`, where `*` stands for"
        " anything, with prices, a discount or a multiplier; or a list of such entries that follow one"
        " another in time. The entry with the fewest wildcards wins, then the longest pattern, then one"
        " for a context, then the latest `from`. Entries are never combined.",
        _table(
            ["member", "meaning"], [(_code(it), text) for it, text in words.PRICE_MEMBERS.items()]
        ),
    ]


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or compare them."""
    stale = 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        file = TARGET / name
        if file.exists() and file.read_text() == text:
            continue
        stale += 1
        sys.stdout.write(f"{file.relative_to(ROOT)} {'differs' if arguments else 'written'}\n")
        if not arguments:
            file.write_text(text)
    missing = [gap for subject in subjects().values() for gap in gaps(subject)]
    sys.stdout.writelines(f"{gap}\n" for gap in missing)
    return 1 if missing or (arguments and stale) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
