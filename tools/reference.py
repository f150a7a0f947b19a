# A program of its own, outside any package: it may look at what modules keep to themselves,
# and holds sentences.
# ruff: noqa: SLF001, E501, ISC004
# pyright: reportPrivateUsage=false
"""Write `docs/reference/` from the code: `tools/reference.py`, or `--check` to compare alone.

What there is comes from `reference_things.py`, which reads the code; what it means, where the
code does not say, from `reference_words.py`.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

import click
import reference_evals as evals
import reference_matrix as matrix
import reference_things as things
import reference_words as words

from trimtab.console import auth, failure
from trimtab.console.app import CALLS, PAGES
from trimtab.cost.lock import shipped_lock
from trimtab.domain import errors as domain
from trimtab.domain.errors import TrimtabError
from trimtab.domain.model import Wire
from trimtab.evals.metrics.ragas import KINDS, VERSION
from trimtab.evals.metrics.ragas import PREFIX as RAGAS
from trimtab.gateway import errors
from trimtab.gateway.routing import TrimtabMember
from trimtab.local import lock as local_lock
from trimtab.sim import bill_faults, faults, script
from trimtab.sim.latency import PROFILES
from trimtab.sim.models import MODELS
from trimtab.store import filter_text
from trimtab.telemetry.log_line import ANNOTATION_KEYS, LogLine
from trimtab.telemetry.metrics import METRICS
from trimtab.telemetry.preset import Encoding, names, preset
from trimtab.telemetry.semconv import DEFAULT, VERSIONS

TARGET = things.ROOT / "docs/reference"
NOTICE = "<!-- Written by tools/reference.py from the code: change that, then run `make docs`. -->"


def pages() -> dict[str, str]:
    """Give every page by its file name."""
    made: Mapping[str, Callable[[], list[str]]] = {
        "commands.md": _commands_page,
        "settings.md": _settings_page,
        "errors.md": _errors_page,
        "attributes.md": _attributes_page,
        "routes.md": _routes_page,
        "faults.md": _faults_page,
        "matrix.md": _matrix_page,
        "models.md": _models_page,
        "evals.md": _evals_page,
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


def _index() -> list[str]:
    rows = [
        ("[commands](commands.md)", "every command, option and exit code"),
        ("[settings](settings.md)", "every member of `trimtab.yaml`, every environment variable"),
        ("[errors](errors.md)", "every error code, and what to do about it"),
        ("[attributes](attributes.md)", "spans, log line and headers"),
        (
            "[evals](evals.md)",
            "every member of a suite and its cases, every metric and rule, every reason of a verdict",
        ),
        ("[routes](routes.md)", "gateway, console, admin API, simulator"),
        ("[faults](faults.md)", "what the simulator does wrong on demand"),
        (
            "[matrix](matrix.md)",
            "how every kind of request ends, on either wire, whatever goes wrong",
        ),
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
    for name, command, about in things.commands():
        text, example = things.told(about)
        parts += [f"## trimtab {name}", text]
        args = [(it, arg) for it, arg in things.arguments() if it.rpartition(" ")[0] == name]
        if args:
            rows = [(_code(it.rpartition(" ")[2]), words.ARGUMENTS.get(it, "")) for it, _ in args]
            parts.append(_table(["argument", "meaning"], rows))
        rows3 = [
            (_code(_option(option)), _default(option), option.help or "")
            for it, option in things.options()
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
        "`trimtab search`, `trimtab tail`, the console and the admin API take the same words, joined"
        ' by `and`: `tenant:acme -status:ok latency_ms:>2000 since:24h "refund window"`.',
        _table(["filter", "value", "meaning"], rows3),
        *words.FILTER_FORMS,
    ]


def _filter_words(name: str) -> str:
    try:
        filter_text.parse(f"{name}:?", 0)
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
    for path in things.settings():
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
    rows = [_error_row(kind) for kind in things.kinds() if kind.code in errors.SHAPES]
    head = ["code", "OpenAI", "Anthropic", "SDKs retry", "who acts"]
    parts += ["## On the wire", _table(head, rows)]
    admin_rows = [
        (_code(kind.code), str(_admin_status(kind)), things.first_line(kind))
        for kind in things.kinds()
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
    for kind in things.kinds():
        remedy = words.REMEDIES.get(kind.code)
        parts += [
            f"### {kind.code}",
            things.first_line(kind),
            f"*To do ({remedy.who}):* {remedy.what}" if remedy else "",
        ]
    return parts


def _error_row(kind: type[TrimtabError]) -> tuple[str, ...]:
    shape = errors.SHAPES[kind.code]
    error = kind("x", status=418) if kind is domain.ProviderRefused else kind("x")
    remedy = words.REMEDIES.get(kind.code)
    openai, anthropic = (
        str(errors.http_status(error, wire)) for wire in (Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES)
    )
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


def _versions() -> list[tuple[str, ...]]:
    words_of_ours = dict.fromkeys(ours for it in VERSIONS.values() for ours in it.names)
    rows = [
        tuple(_code(it.names[ours]) if ours in it.names else "" for it in VERSIONS.values())
        for ours in words_of_ours
    ]
    return [row for row in rows if len(set(row)) > 1]


def _presets() -> list[tuple[str, ...]]:
    found = {name: preset(name) for name in names()}
    return [
        (
            _code(name),
            it.title,
            ", ".join(it.signals) + (", as JSON" if it.encoding is Encoding.JSON else ""),
            ", ".join(
                _code(need) for need in (*it.required, *(() if it.endpoint else ["endpoint"]))
            ),
            ", ".join(
                _code(own) for own in sorted({own for on in it.extras.values() for own in on})
            ),
            f"unconfirmed: {it.unconfirmed}" if it.unconfirmed else f"verified: {it.verified}",
        )
        for name, it in found.items()
    ]


def _attributes_page() -> list[str]:
    others, attempted, resources = things.attributes()
    said = things.subjects()["attributes"].said

    def rows(names: Iterable[str]) -> list[tuple[str, str]]:
        order = {name: number for number, name in enumerate(said)}
        return [
            (_code(it), said.get(it, "")) for it in sorted(names, key=lambda it: order.get(it, 0))
        ]

    keys = things.subjects()["log line"].said
    conventions = DEFAULT.schema_url.rpartition("/")[2]
    return [
        "# Attributes, log line and headers",
        "## Spans",
        f"A request is one trace: a root span, one span for each stage, and one for each attempt at a"
        f" provider. Names beginning with `gen_ai.` are those of version {conventions} of the"
        " OpenTelemetry GenAI conventions. Usage is on attempts alone, because backends sum"
        " `gen_ai.usage.*` over all spans. What people wrote is part of a span only if"
        " [`content`](settings.md#telemetry) says so. An attribute that is unknown is absent.",
        "### Root and stages",
        "The root is named `POST /v1/chat/completions` or as its route is; stages are"
        " `trimtab.admit`, `trimtab.plan`, `trimtab.screen_input`, `trimtab.fund` and"
        " `trimtab.settle`.",
        _table(["attribute", "meaning"], rows(others)),
        "### Attempts",
        "Named by operation and model, as `chat large`; kind CLIENT, with an event `first_chunk`.",
        _table(["attribute", "meaning"], rows(attempted)),
        "### Evaluations",
        "What the [online judge](../how-to/judge-live-traffic.md) finds comes after the trace was"
        " sent: as a span `evaluation METRIC` of no length, under the attempt's, with the event"
        " `gen_ai.evaluation.result`. The event has the attributes that begin with `gen_ai.`, the"
        " span has all. Why the judge said so is sent with content alone. To a receiver of logs it"
        " comes as a log record with the same attributes instead, at the span of the attempt.",
        _table(["attribute", "meaning"], [(_code(k), v) for k, v in words.EVALUATION.items()]),
        "### Content",
        "On the last attempt, or in its event `gen_ai.client.inference.operation.details`. With"
        " `1.36` each message is an event instead: `gen_ai.{system,user,assistant,tool}.message` and"
        " `gen_ai.choice`. What is no text, such as an image, is told by its kind alone.",
        _table(["attribute", "meaning"], [(_code(k), v) for k, v in words.CONTENT.items()]),
        "### Resource",
        _table(
            ["attribute", "meaning"],
            [(_code(it), words.RESOURCE.get(it, "")) for it in sorted(resources)],
        ),
        "### Names by version",
        "What is called otherwise, or not there, in another version of the conventions.",
        _table([*VERSIONS], _versions()),
        "### Presets",
        "*Unconfirmed* ones have the shape that the receiver's documentation or source asks for, and"
        " were tried against a stand-in alone. `trimtab telemetry check NAME` tells.",
        _table(["preset", "receiver", "takes", "needs", "attributes of its own", ""], _presets()),
        "## Log line",
        "One JSON line for each request in `log/requests-YYYYMMDD.jsonl` of the state directory, and"
        " on standard output if `log_line.stdout` says so. No key is renamed or removed within a major"
        " version. What people wrote is never in it.",
        _table(
            ["key", "meaning"], [(_code(it), keys.get(it, "")) for it in LogLine.__struct_fields__]
        ),
        "What is said of a request later has a line of its own, `event` `annotation`: "
        + ", ".join(_code(it) for it in ANNOTATION_KEYS)
        + ". While `claimed`, nobody has seen yet that the request is that tenant's; if it is not, the"
        ' line is all there is of it. Pick requests alone with `select(.event=="request")`.',
        "### How a request ends",
        _table(["status", "meaning"], [(_code(k), v) for k, v in words.RECORD_STATUSES.items()]),
        "## Response headers",
        _table(
            ["header", "meaning"],
            [(_code(it), words.RESPONSE_HEADERS.get(it, "")) for it in things.response_headers()],
        ),
        "A stream ends with the comment `: trimtab {...}`, which SSE clients skip: `request_id`,"
        " `cost_usd`, `usage`, `target` and `attempts`.",
        "## Request headers",
        "Every other header stops at Trimtab; an unknown one that begins with `x-trimtab-` is refused,"
        " so that a typing error shows.",
        _table(
            ["header", "meaning"],
            [(_code(it), words.REQUEST_HEADERS.get(it, "")) for it in things.request_headers()],
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
    gateway = [(_code(it), words.GATEWAY_ROUTES.get(it, "")) for it in things.gateway_routes()]
    calls = [
        (
            _code(f"{call.method} {call.path}"),
            _code(call.right),
            ", ".join(_code(it) for it in call.query) or "",
            f"{call.summary}.",
        )
        for call in CALLS
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
        "## Metrics",
        "`GET /metrics`, for Prometheus. From this machine no token is needed, unless `gateway.public_url` is"
        " an HTTPS address: then a proxy may stand in front. From elsewhere, send `authorization: Bearer` and"
        " the token that `gateway.admin_key` refers to. Those of requests, tokens and cost equal the ledger, and survive"
        " restarts, as all of what is counted of requests does. Who asks for OpenMetrics sees beside the buckets of"
        " histograms a trace that is exported.",
        _table(
            ["metric", "kind", "labels", "what it tells"],
            [
                (_code(name), it.kind, ", ".join(map(_code, it.labels)), it.told)
                for name, it in METRICS.items()
            ],
        ),
        "## Console",
        _table(["page or form", "right", "what it does"], shown),
        "## Simulator",
        "`trimtab sim`, or the one that `trimtab up` starts.",
        _table(
            ["route", "what it does"],
            [(_code(it), words.SIM_ROUTES.get(it, "")) for it in things.sim_routes()],
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
        "## Faults of the bill",
        "These change what the simulator tells about its bill on the usage and costs routes of both"
        " providers. They are set with the same call, take no options, and leave `GET /_sim/bill` as it is.",
        _table(
            ["fault", "value", "default", "what happens"],
            [
                (
                    _code(name),
                    kind.form or "none",
                    _code(
                        f"{float(kind.default):g}"
                        if isinstance(kind.default, Fraction)
                        else f"{kind.default}"
                    )
                    if kind.form
                    else "",
                    words.BILL_FAULTS.get(name, ""),
                )
                for name, kind in bill_faults.KINDS.items()
            ],
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


def _matrix_page() -> list[str]:
    return [
        "# Matrix: how a request ends",
        matrix.about(),
        "## Shapes",
        _table(
            ["shape", "what is asked for", "ends on OpenAI's wire", "on Anthropic's"],
            matrix.shapes(),
        ),
        "## Faults",
        "What the provider does wrong, as [faults](faults.md) has it; how the request ends; what it is charged.",
        _table(
            [
                *("fault", "in one piece", "stream of an OpenAI provider"),
                *("stream of an Anthropic provider", "shapes"),
            ],
            matrix.faults(),
        ),
        "## What the SDKs raise",
        _table(["status", "`openai`", "`anthropic`"], matrix.errors()),
    ]


def _evals_page() -> list[str]:
    return [
        "# Evals: suites, cases, metrics",
        "[Write an eval suite](../how-to/write-an-eval-suite.md) has an example of each file.",
        "## Manifest",
        "YAML. Members that are not known are refused.",
        _table(evals.HEAD, evals.members(evals.suite_members(), evals.SUITE)),
        "## Case",
        "JSON, one object a line. A row of `question` and `expected` alone is a case, too.",
        _table(evals.HEAD, evals.members(evals.case_members(), evals.CASE)),
        "## Metrics",
        "A score is 0 to 1, and higher is better; `cost_usd`, `latency_s` and `output_tokens` are in"
        " their units, and lower is better. Where there is nothing to compare with, a metric is not"
        " applicable; where it could not be computed, it is an error. Neither is ever a number.",
        _table(["metric", "scores", "needs"], evals.metric_rows()),
        f"{', '.join(f'`{RAGAS}{it}`' for it in KINDS)} are scores of ragas {VERSION}, once `trimtab evals"
        " ragas install` has built its environment. They need what ours of that name need and take no"
        " options; NaN, and what ragas refuses to score, is the error `ragas_failed`. They are"
        " calibrated like ours.",
        "Options stand beside `floor` in the manifest:",
        _table(["metric", "option", "default", "meaning"], evals.option_rows()),
        "## Label",
        "JSON, one object a line, in `SUITE.labels.jsonl` beside the manifest. Lines are only added.",
        _table(evals.HEAD, evals.members(evals.label_members(), evals.LABEL)),
        "## Calibration",
        "A judge is valid on 50 or more cases if the lower end of the 95% interval of its agreement"
        " with people reaches the least. The interval is a bootstrap over cases, 10,000 draws, all"
        " labels of a case (of a `group`, where cases have one) together. Under 200 cases it is"
        " said to be wide. It is good for 90 days, and for the judge's dated model, judge prompts,"
        " version and options of the metric, and labels that it was made with.",
        _table(["metric", "what raters are asked", "agreement", "least"], evals.agreement_rows()),
        "## What lint finds",
        _table(["rule", "level", "finds"], evals.rule_rows()),
        "## Why a verdict is not PASS",
        "FAIL and INCONCLUSIVE have a reason. [Read an eval verdict]"
        "(../how-to/read-an-eval-verdict.md) tells what comes before what.",
        _table(["reason", "meaning"], evals.reason_rows()),
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
        "Each model also has a dated name, `-2026-01-15`. `sim/reasoner` reasons, `sim/embed` embeds,"
        " `sim/moderation` judges."
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
        sys.stdout.write(
            f"{file.relative_to(things.ROOT)} {'differs' if arguments else 'written'}\n"
        )
        if not arguments:
            file.write_text(text)
    missing = [gap for subject in things.subjects().values() for gap in things.gaps(subject)]
    sys.stdout.writelines(f"{gap}\n" for gap in missing)
    return 1 if missing or (arguments and stale) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
