# A program of its own, outside any package.
# ruff: noqa: E501
"""What the reference says in words: one sentence for each thing that the code cannot explain.

`tools/reference.py` finds the things in the code and looks their sentences up here. A thing
without a sentence, and a sentence without a thing, fail `tests/docs/test_reference.py`.
"""

from typing import NamedTuple

ARGUMENTS = {
    "exporters retry NAME": "Name of the exporter.",
    "exporters backfill NAME": "Name of the exporter.",
    "telemetry check NAME": "Name of the exporter.",
    "init project DIRECTORY": "Where to write; here by default.",
    "init ci DIRECTORY": "Root of the repository; here by default.",
    "keys rotate KEY": "Id or name of the key.",
    "keys revoke KEY": "Id or name of the key.",
    "keys suspend NAME": "Id or name of the key.",
    "keys resume NAME": "Id or name of the key.",
    "accounts create NAME": "What the person is called; lower-case letters and digits.",
    "accounts reset NAME": "Name of an account, as `trimtab accounts list` shows it.",
    "budgets show TENANT": "Id of the tenant.",
    "budgets set TENANT": "Id of the tenant.",
    "evals add-case REQUEST_ID": "Id of the request, or a unique prefix of it.",
    "evals export FILE": "Manifest of a suite; for a table also the JSON report of a run.",
    "evals import FILE": "File of the other format.",
    "evals compare BEFORE": "Id of a run, the beginning of it if that is unique, the hash of its content, or a file that holds it.",
    "evals compare AFTER": "The same; its settings decide what is compared.",
    "evals gate RUNS": "Manifests of suites, which are run first; ids of runs, hashes of their content, or files that hold them.",
    "evals lint SUITES": "Manifests of suites.",
    "evals label SUITE": "Manifest of the suite.",
    "evals calibrate SUITE": "Manifest of the suite.",
    "limits rebuild TENANT": "Id of the tenant.",
    "evals run SUITES": "Manifests of suites.",
    "evals show RUN": "Id of a run, the beginning of it if that is unique, the hash of its content, or a file that holds it.",
    "evals show CASE": "Id of a case; all by default.",
    "models show MODEL": "Name of the model.",
    "models move MODEL": "Name of the model.",
    "models fallback MODEL": "Name of the model.",
    "models undo MODEL": "Name of the model.",
    "models breaker open TARGET": "Target, as `provider/model`.",
    "models breaker close TARGET": "Target, as `provider/model`.",
    "tenants suspend NAME": "Id of the tenant; none with `--all`.",
    "tenants resume NAME": "Id of the tenant; none with `--all`.",
    "tenants throttle TENANT": "Id of the tenant.",
    "tenants throttle RATE": "How many requests a minute pass, as `10/min`.",
    "features suspend NAME": "Feature, as requests name it.",
    "features resume NAME": "Feature, as requests name it.",
    "users suspend NAME": "End user, as requests name them.",
    "users resume NAME": "End user, as requests name them.",
    "models suspend NAME": "Model as apps name it, or `provider/model`.",
    "models resume NAME": "Model as apps name it, or `provider/model`.",
    "providers suspend NAME": "Name of the provider.",
    "providers resume NAME": "Name of the provider.",
    "changes undo SEQ": "Number of the change, as `trimtab changes list` shows it.",
    "prompts approve VERSION": "Version, as `rag-answer@3.2.0`.",
    "prompts codegen PROMPTS": "Prompts as `rag-answer`, or with a major as `rag-answer@3`; all by default.",
    "prompts diff BEFORE": "`NAME@VERSION`, `NAME@LABEL` or a prompt file.",
    "prompts diff AFTER": "`NAME@VERSION`, `NAME@LABEL` or a prompt file.",
    "prompts evidence VERSION": "Version, as `rag-answer@3.2.0`.",
    "prompts export PROMPT": "`NAME@VERSION` or `NAME@LABEL`.",
    "prompts history NAME": "Name of the prompt.",
    "prompts import FILE": "File of the other format.",
    "prompts lint PATHS": "Prompt files; those of `registry.files` by default.",
    "prompts new NAME": "Name of the prompt.",
    "prompts promote NAME": "Name of the prompt.",
    "prompts promote VERSION": "Version, as `3.2.0`.",
    "prompts publish FILES": "Prompt files.",
    "prompts pull NAMES": "Names of prompts; all by default.",
    "prompts push PATHS": "Prompt files; those of `registry.files` by default.",
    "prompts render PROMPT": "`NAME@VERSION`, `NAME@LABEL` or a prompt file.",
    "prompts rollback NAME": "Name of the prompt.",
    "prompts show PROMPT": "Name of the prompt, or `NAME@VERSION` or `NAME@LABEL`.",
    "prompts unset NAME": "Name of the prompt.",
    "prompts unyank VERSION": "Version, as `rag-answer@3.2.0`.",
    "prompts yank VERSION": "Version, as `rag-answer@3.2.0`.",
    "alerts test ROUTE": "Name of a route, as `alerts.routes` has it.",
    "alerts silence ALERT": "Id of the alert, or the beginning of it if that is unique.",
    "prices show MODEL": "Name that apps use, or `provider/model`.",
    "bills show TENANT": "Id of the tenant.",
    "bills close TENANT": "Id of the tenant.",
    "annotate REQUEST_ID": "Id of the request, or the beginning of it if that is unique.",
    "rehydrate REQUEST_ID": "Id of the request, or the beginning of it if that is unique.",
    "erase show ERASURE_ID": "Id of the erasure, as `trimtab erase list` shows it.",
    "erase verify FILE": "The receipt, as `trimtab erase show` printed it.",
    "records keep REQUEST_ID": "Id of the request; left out with `--filter`.",
    "records release CASE_ID": "The case, as it was given to `--reason` of `records keep`.",
    "trace REQUEST_ID": "Id of the request, or the beginning of it if that is unique.",
    "explain REQUEST_ID": "Id of the request, or the beginning of it if that is unique.",
    "search WORDS": "Filters, joined by `and`; see [Filters](#filters).",
    "records export WORDS": "Filters, joined by `and`; see [Filters](#filters).",
    "tail WORDS": "Filters, joined by `and`; see [Filters](#filters).",
    "local-models pull NAME": "Name of a model, as `trimtab local-models list` shows it.",
    "local-models serve NAME": "Name of a pulled model.",
}

OPTION_DEFAULTS = {
    "--home": "`TRIMTAB_HOME`, else `.trimtab`",
    "--config": "`TRIMTAB_CONFIG`, else `trimtab.yaml` here, else the demo",
    "--host": "of the file",
    "--port": "of the file",
    "--annotate": "where `GITHUB_ACTIONS` is true",
    "--step-summary": "`GITHUB_STEP_SUMMARY`",
}

EXIT_CODES = {
    0: "Done.",
    1: "The answer is no: a route of alerts did not take a test, `check` found an error, `diff` found a difference, a key may not call the model, a prompt file is refused, a wrapper differs, a sum is not that of its lines, a remembered verdict cannot be used, a bill needs somebody to act, `search` found nothing, or the change log is broken.",
    2: "Wrong usage, or something that cannot be: an unknown option, tenant or request, a file that is wrong, a port that is taken.",
    3: "Inconclusive: nobody can give a verdict, or a run of a suite ended early, or was not begun for want of money.",
    4: "Could not: something the command needs is away, or a bill could not be fetched whole.",
}

FILTERS = {
    "tenant": "Id of the tenant.",
    "feature": "Part of the app, as the request named it.",
    "tier": "Tier of the tenant.",
    "model": "Model as the app named it.",
    "target": "Target that answered, or was last tried.",
    "provider": "Provider that served the last attempt.",
    "key": "Id of the key.",
    "user": "End user, by the hash that records know them by.",
    "conversation": "Id of the conversation.",
    "tag": "A tag that the request came with.",
    "status": "How the request ended.",
    "error": "Error code; see [errors](errors.md).",
    "origin": "Why the request ran.",
    "trace": "Trace id, 32 hex digits.",
    "response": "The provider's id of the answer, such as `resp_...`.",
    "prompt": "The name of the prompt, or a version of it.",
    "version": "The version of the prompt, such as `3.2.0`.",
    "experiment": "Name of the experiment.",
    "arm": "Arm of the experiment.",
    "guard": "Strongest decision of a guard: `allow`, `flag`, `redact`, `block` and others.",
    "kept": "Whether its trace was kept for exporters.",
    "rule": "Rule by which its trace was kept or not.",
    "fallback": "Whether another target than the first answered.",
    "replay": "Whether the answer can be asked for again.",
    "latency_ms": "Milliseconds that it took.",
    "ttft_ms": "Milliseconds to the first content.",
    "cost_usd": "What it cost.",
    "input_tokens": "Tokens read.",
    "output_tokens": "Tokens written.",
    "label": "What was said of it in one word, by whomever, and not corrected since.",
    "score": "A score that was given and not corrected since, of any name or of one.",
    "since": "Not older than this; an age or an instant in UTC.",
    "until": "Older than this; an age or an instant in UTC.",
}

_BOUNDS = "`>2000`, `>=`, `<`, `<=`"
FILTER_VALUES = {
    **dict.fromkeys(("latency_ms", "ttft_ms", "input_tokens", "output_tokens"), _BOUNDS),
    "cost_usd": "`>0.05`, `>=`, `<`, `<=`",
    "prompt": "`rag-answer`, `rag-answer@3.2.0`",
    "tag": "`team=search`",
    "score": "`<0.5`, `faithfulness:<0.5`",
    "since": "`24h`, `30m`, `2026-04-25`",
    "until": "`24h`, `30m`, `2026-04-25`",
}

FILTER_FORMS = (
    '- `status:error,blocked` is one of several, `model:sim/*` begins so, `arm:*` has any value, `-status:ok` is all that does not fit, and quotes take a value as it is: `feature:"a, b*"`.',
    '- Other words are searched in what was asked and answered: `refund` is a word, `"refund window"` words that follow each other; case and accents do not matter.',
    "- Words are found a second or two after the record, the last 12,000 of what was asked and the last 4,000 of an answer; `search` of a [tier or tenant](settings.md) turns that off.",
    "- In the console and the admin API it takes the right `content` to search words; nothing of the content is shown. `trimtab tail` shows what is not stored yet, so it takes no words, label or score.",
)


class Setting(NamedTuple):
    """What a member of the file takes, and what it means.

    Attributes:
        default: As it would be written; `None` if there is none, then `unsaid` says what holds.
        example: A value that is accepted.
    """

    takes: str
    example: str
    meaning: str
    default: str | None = None
    unsaid: str = "required"


_NONE = "not set"
_MODELS = "list of model names"
_LIMIT = "whole number, at least 1"
_AWAY = "`closed`, `local_share` or `open`"

_SHARE = "share, as `20%` or `0.2`"
_SHARES = "map of shares by name"
_PERIOD = "`hour`, `day` or `month`"


def _budget(at: str, whose: str, unsaid: str) -> dict[str, Setting]:
    """Say what a budget takes, wherever there may be one."""
    return {
        f"{at}.budget.usd": Setting(
            "USD",
            "500",
            f"What {whose} may spend in a period; a request that could cost more than what is left is refused with 402 `budget_exhausted`.",
            unsaid=unsaid,
        ),
        f"{at}.budget.per": Setting(
            _PERIOD,
            "day",
            "The period, by the clocks of the tenant's time zone: a month begins at its midnight. That of the site goes by UTC.",
            unsaid=unsaid if unsaid != "no budget" else "`month`",
        ),
        f"{at}.budget.speed.usd": Setting(
            "USD",
            "25",
            "What may be spent at once, besides; it refills steadily.",
            unsaid="no bound" if unsaid == "no budget" else unsaid,
        ),
        f"{at}.budget.speed.per": Setting(
            _PERIOD, "day", "In which time all of that is there again.", unsaid="`hour`"
        ),
        f"{at}.budget.when_empty": Setting(
            "`block`, `warn`, or `{downgrade_to: MODEL, up_to_usd: USD}`",
            "{downgrade_to: chat-frozen, up_to_usd: 50}",
            "`warn` refuses nothing: what is left goes below 0, as `x-trimtab-budget-remaining-usd` tells. With `downgrade_to` another model answers, for so much more; `x-trimtab-downgraded` tells it. Freezers are never exchanged.",
            unsaid="`block`" if unsaid == "no budget" else unsaid,
        ),
        f"{at}.budget.hold": Setting(
            "`estimate` or `strict`",
            "strict",
            "What is held before a request is sent: what it likely costs at most, or all that it ever can, so that the budget is never overdrawn. `strict` needs `providers.NAME.max_tokens`, and means nothing with `when_empty: warn`.",
            unsaid="`estimate`" if unsaid == "no budget" else unsaid,
        ),
        **_warn_at(at, unsaid),
    }


def _warn_at(at: str, unsaid: str) -> dict[str, Setting]:
    """Say when people are told of a budget; of end users there are too many."""
    if at.endswith("each_end_user"):
        return {}
    return {
        f"{at}.budget.warn_at": Setting(
            "list of per cent, in order",
            "[50%, 80%, 95%]",
            "People are told once a period when so much of it is spent, with when the rest will be: the alert `budget_threshold`.",
            unsaid="none; `[100%]` with `when_empty: warn`" if unsaid == "no budget" else unsaid,
        )
    }


def _plan(path: str, who: str, unsaid: str) -> dict[str, Setting]:
    """Say what a plan is made of."""
    return {
        f"{path}.plan.markup": Setting(
            _SHARE,
            "20%",
            f"What {who} is billed beyond what it cost; a discount is below 0. See [bill your customers](../how-to/bill-your-customers.md).",
            unsaid=unsaid,
        ),
        f"{path}.plan.features": Setting(
            _SHARES,
            "{search: 0%}",
            "Markups of single features, which win over all others.",
            unsaid="as `plan.markup`",
        ),
        f"{path}.plan.models": Setting(
            _SHARES,
            "{chat: 10%}",
            "Markups of single models, as apps name them.",
            unsaid="as `plan.markup`",
        ),
    }


SETTINGS = {
    "version": Setting("`1`", "1", "Version of the file's form."),
    "gateway.listen": Setting(
        "host:port",
        "127.0.0.1:8080",
        "Where apps connect; `TRIMTAB_LISTEN` and the options `--host` and `--port` win over it.",
        "127.0.0.1:8080",
    ),
    "gateway.max_body": Setting(
        "size",
        "64MiB",
        "Requests with a larger body are refused with 413 `body_too_large`.",
        "32MiB",
    ),
    "gateway.drain": Setting(
        "duration",
        "10s",
        "How long running streams may take to finish when the gateway stops.",
        "30s",
    ),
    "gateway.admin_key": Setting(
        "reference",
        "env:TRIMTAB_ADMIN_KEY",
        "Token that opens the admin API to programs, with every right.",
        unsaid="programs stay out",
    ),
    "gateway.redis": Setting(
        "URL or reference",
        "redis://10.0.0.7:6379",
        "Redis or Valkey, 7 or newer, that holds the limits of all workers: `redis://`, `rediss://` for TLS, `unix://`. One with a password is given as `env:NAME` or `file:PATH`. Needs the extra `trimtab[redis]`.",
        unsaid="limits are in the one worker there is",
    ),
    "gateway.when_redis_is_down": Setting(
        _AWAY,
        "closed",
        "What workers do while the Redis is away: refuse with 503 `limits_unavailable`, let their share of each limit pass (the limit divided by the workers, at least 1), or let all pass.",
        "local_share",
    ),
    "gateway.public_url": Setting(
        "URL",
        "https://trimtab.example.com",
        "Where people reach the console; with `https`, browsers send its cookie over HTTPS only.",
        unsaid="host and port",
    ),
    "gateway.store": Setting(
        "`sqlite`, Postgres URL without password, or reference to a URL",
        "postgres://trimtab@db.example.com/trimtab",
        "Where the change log is: `control.db` in the state directory, or one Postgres of [several hosts](../how-to/run-on-several-hosts.md).",
        "sqlite",
    ),
    "gateway.records": Setting(
        "`sqlite`, Postgres URL without password, or reference to a URL",
        "postgres://trimtab@db.example.com/trimtab",
        "Where records, ledger, sums and content are: `records.db` and `content/` in the state directory, or one Postgres of [several hosts](../how-to/run-on-several-hosts.md).",
        "sqlite",
    ),
    "gateway.archive": Setting(
        "ClickHouse URL without password, or reference to a URL",
        "clickhouses://trimtab@ch.example.com/trimtab",
        "ClickHouse (25.12 or newer) that keeps [single requests and content](../how-to/keep-records-in-clickhouse.md), beside the Postgres of `gateway.records`, which keeps what adds up: `clickhouse://` (port 8123), `clickhouses://` for TLS (port 8443). Needs the extra `trimtab[clickhouse]`.",
        unsaid="they are where `gateway.records` says",
    ),
    "providers.NAME.wire": Setting(
        "`openai`, `anthropic`, `caller` or `litellm`",
        "openai",
        "What the provider speaks; `caller` means both, so that a request keeps the wire it came in. With `litellm`, a library calls it: see [the long tail](../how-to/call-the-long-tail.md).",
    ),
    "providers.NAME.url": Setting(
        "URL",
        "https://api.openai.com/v1",
        "Base URL, as the provider's own SDK would take it. `wire: litellm` needs one only where the provider has no URL of its own.",
    ),
    "providers.NAME.key": Setting(
        "reference, list of references or `none`",
        "env:OPENAI_API_KEY",
        "The account's credential, read when the account is first used. Of several, those that are not rate limited or refused take turns.",
        "none",
    ),
    "providers.NAME.on_client_gone": Setting(
        "`drain`, `cancel` or `cancel_free`",
        "drain",
        "What happens upstream when the caller hangs up: read on to the end, close a call that is billed for what it produced, or close one that is then free.",
        "cancel",
    ),
    "providers.NAME.prices_as": Setting(
        "name",
        "openai",
        "Name under which the price list knows this provider's models.",
        unsaid="its own name",
    ),
    "providers.NAME.allow_private_network": Setting(
        "`true` or `false`",
        "true",
        "Whether the provider may live on this machine or a private network; without it such addresses are refused, also when a name leads there.",
        "false",
    ),
    "providers.NAME.propagate": Setting(
        "`true` or `false`",
        "true",
        "Whether attempts carry `traceparent` and `tracestate`. For inference servers of your own, whose spans then join the trace; not with `wire: litellm`.",
        "false",
    ),
    "providers.NAME.ca_file": Setting(
        "path", "/etc/ssl/own.pem", "PEM file of one more trusted root certificate.", unsaid=_NONE
    ),
    "providers.NAME.prefill": Setting(
        "`true` or `false`",
        "true",
        "Whether the provider's models go on with a last message of the assistant, as `fallback.after_first_token: continue` needs it. Many do not; some answer with an error.",
        "false",
    ),
    "providers.NAME.betas": Setting(
        "list of values",
        "[context-1m-2025-08-07]",
        "Values of the headers `anthropic-beta` and `openai-beta` that may go along to the provider, in the wire they came in; any other is 400 `field_not_allowed`.",
        "[message-threads-2026-08-12, token-counting-2024-11-01]",
    ),
    "providers.NAME.model_prefix": Setting(
        "prefix with a slash",
        "bedrock/",
        "With `wire: litellm`, and required there: what the library knows the provider by. It is put before the name of every model.",
    ),
    "providers.NAME.region": Setting(
        "name",
        "eu-west-1",
        "With `wire: litellm`: where the models of `bedrock/`, `sagemaker/` and `vertex_ai/` run.",
        unsaid="as the library finds it",
    ),
    "providers.NAME.options": Setting(
        "map of names to values",
        "{aws_access_key_id: env:AWS_ACCESS_KEY_ID}",
        "With `wire: litellm`: further arguments of every call, as the library names them. Secrets must be references.",
        unsaid=_NONE,
    ),
    "providers.NAME.max_tokens": Setting(
        "map from models to `{input: TOKENS, output: TOKENS}`",
        '{"large-*": {input: 200_000, output: 64_000}}',
        "What its models read and write in one answer at most, by name or by its beginning and `*`; the longest that fits wins. `output` bounds what is held for requests that declare no maximum. Budgets with `hold: strict` need it, and `input` for images, files and earlier answers.",
        unsaid="unknown",
    ),
    "models.NAME.kind": Setting(
        "`alias` or `freezer`",
        "alias",
        "An alias may be moved to another target; a freezer is pinned to a dated model.",
    ),
    "models.NAME.to": Setting(
        "provider/model, or a map from those to weights",
        "{sim/large-2026-01-15: 90, sim/small-2026-01-15: 10}",
        "The target: a provider of this file and the model as that provider names it. Several share the requests by weight, and stand in for one another; one of weight 0 only stands in.",
    ),
    "models.NAME.retry.per_target": Setting(
        "1 to 10", "3", "How often one target is asked, the first time included.", "2"
    ),
    "models.NAME.retry.in_all": Setting(
        "1 to 20",
        "6",
        "How many calls a request may cause over all targets; there are never more.",
        "4",
    ),
    "models.NAME.retry.when": Setting(
        "list of causes",
        "[connect, timeout, 503]",
        "Failures after which the same target is asked again: `connect`, `timeout`, `bad_output`, or a status of 408, 409, 429, 500, 502, 503, 504, 529.",
        unsaid="all of them",
    ),
    "models.NAME.retry.wait_at_most": Setting(
        "duration up to 120s",
        "2s",
        "How long a provider may ask us to wait after a 429; if it asks for more, the next target is asked at once.",
        "5s",
    ),
    "models.NAME.fallback.when_error": Setting(
        "list of models or provider/model",
        "[chat-frozen]",
        "What is asked, in this order, when the target fails, is overloaded or silent. A freezer falls back to freezers only.",
        unsaid=_NONE,
    ),
    "models.NAME.fallback.when_rate_limited": Setting(
        "list of models or provider/model",
        "[chat-frozen]",
        "What is asked after a 429 that is not waited for.",
        unsaid="as `when_error`",
    ),
    "models.NAME.fallback.when_context_too_long": Setting(
        "list of models or provider/model",
        "[chat-frozen]",
        "What is asked when the target says that the request is too long for it.",
        unsaid=_NONE,
    ),
    "models.NAME.fallback.after_first_token": Setting(
        "`fail` or `continue`",
        "continue",
        "What a stream does that is cut after its first word: end in an error event, or be continued, once, by a target whose provider has `prefill`. Only plain text is continued: no tools, no schema, no reasoning, one choice. Both attempts are paid for.",
        "fail",
    ),
    "models.NAME.fallback.when_refused": Setting(
        "list of models or provider/model",
        "[chat-frozen]",
        "What is asked when the model refuses to answer, before anything of its answer was sent. Both answers are paid for.",
        unsaid=_NONE,
    ),
    "models.NAME.timeouts.connect": Setting(
        "duration", "2s", "How long connecting may take.", "5s"
    ),
    "models.NAME.timeouts.first_token": Setting(
        "duration", "30s", "How long a stream may take to its first content.", "60s"
    ),
    "models.NAME.timeouts.between_tokens": Setting(
        "duration", "30s", "How long a stream may be silent after that.", "60s"
    ),
    "models.NAME.timeouts.total": Setting(
        "duration", "5m", "How long an attempt may take in all, streamed or not.", "10m"
    ),
    "models.NAME.review_by": Setting(
        "date",
        "2099-06-30",
        "For freezers: `trimtab check` warns in the 30 days before this day and fails after it.",
        unsaid=_NONE,
    ),
    "models.NAME.undated_ok": Setting(
        "text",
        "pinned by contract",
        "For freezers: the reason why the target has no date in its name.",
        unsaid=_NONE,
    ),
    "models.NAME.when_untranslatable": Setting(
        "`refuse` or `drop`",
        "drop",
        "What happens to a request for a provider of the other wire that has no words for some member: 400 `unsupported_by_target`, or an answer without it, named in `x-trimtab-dropped`.",
        "refuse",
    ),
    "tiers.NAME.models": Setting(
        _MODELS,
        "[chat, sim/*]",
        "What tenants of the tier may call; `provider/*` allows every model of a provider by its own name.",
        "[]",
    ),
    "tiers.NAME.limits.requests_per_minute": Setting(
        _LIMIT, "3_000", "Requests a tenant may make each minute.", unsaid="unlimited"
    ),
    "tiers.NAME.limits.tokens_per_minute": Setting(
        _LIMIT, "40_000", "Tokens, in and out, a tenant may use each minute.", unsaid="unlimited"
    ),
    "tiers.NAME.limits.shadow": Setting(
        "`true` or `false`",
        "true",
        "Whether these limits only count: who goes beyond is not refused, and `x-trimtab-shadow-limits` and the record tell it.",
        unsaid="`false`",
    ),
    "tiers.NAME.limits.parallel": Setting(
        _LIMIT, "4", "Requests of a tenant that may run at once.", unsaid="unlimited"
    ),
    "tiers.NAME.content": Setting(
        "`full`, `redacted` or `none`",
        "none",
        "How much of what people wrote is kept; nothing redacts yet, so `redacted` keeps as little as `none`.",
        "full",
    ),
    "tiers.NAME.judge": Setting(
        "`sampled` or `never`",
        "never",
        "Whether samples of live traffic may be judged, as `evals.online` says.",
        "sampled",
    ),
    "tiers.NAME.search": Setting(
        "`plain` or `off`",
        "off",
        "Whether content can be searched by its words. What could be found before goes with its content.",
        "plain",
    ),
    "tiers.NAME.durability": Setting(
        "`group` or `strict`",
        "strict",
        "What the last byte of an answer waits for: the write of its record, or the disk as well.",
        "group",
    ),
    **_budget("tiers.NAME", "each of its tenants", "no budget"),
    "tiers.NAME.when_redis_is_down": Setting(
        _AWAY,
        "open",
        "What workers do with its tenants while the Redis is away.",
        unsaid="as `gateway.when_redis_is_down` says",
    ),
    "tiers.NAME.when_spool_is_full": Setting(
        "`closed` or `open`",
        "open",
        "What becomes of requests while the [disk is so full](../concepts/spool-and-keeper.md#a-disk-that-fills-up) that they cannot be written down: `closed` refuses them, `open` serves them, tells each in the log of the worker, and writes it down once there is room.",
        "closed",
    ),
    "tiers.NAME.server_tools": Setting(
        "list of tools",
        "[web_search]",
        "Tools that its tenants may have run at a provider, named without version: `web_search`, `web_fetch`, `code_execution`, `code_interpreter`, `file_search`, `image_generation`, `mcp` and whatever else is no tool that the app runs. They carry data out, and some are billed beside the tokens.",
        "[]",
    ),
    **_plan("tiers.NAME", "each of its tenants", "billed at cost"),
    "tenants.NAME.when_spool_is_full": Setting(
        "`closed` or `open`", "open", "The same for one tenant.", unsaid="as the tier says"
    ),
    "tenants.NAME.server_tools": Setting(
        "list of tools", "[web_search]", "Replaces the tier's list.", unsaid="as the tier says"
    ),
    "tenants.NAME.tier": Setting("name of a tier", "free", "The contract class of the tenant."),
    "tenants.NAME.timezone": Setting(
        "IANA time zone",
        "Europe/Rome",
        "Where the tenant's days begin, in the ledger and its daily sums.",
        "UTC",
    ),
    "tenants.NAME.retention.content": Setting(
        "days",
        "30d",
        "How long what its people wrote is kept, 0d to 3650d. `0d` ends it a day after the UTC day it was asked on.",
        unsaid="`retention.content`",
    ),
    "tenants.NAME.models": Setting(
        _MODELS, "[chat]", "Replaces the tier's list.", unsaid="as the tier says"
    ),
    "tenants.NAME.limits.requests_per_minute": Setting(
        _LIMIT, "60", "Wins over the tier's.", unsaid="as the tier says"
    ),
    "tenants.NAME.limits.tokens_per_minute": Setting(
        _LIMIT, "40_000", "Wins over the tier's.", unsaid="as the tier says"
    ),
    "tenants.NAME.limits.shadow": Setting(
        "`true` or `false`",
        "true",
        "Whether these limits only count: who goes beyond is not refused, and `x-trimtab-shadow-limits` and the record tell it.",
        unsaid="as the tier says",
    ),
    "tenants.NAME.limits.parallel": Setting(
        _LIMIT, "4", "Wins over the tier's.", unsaid="as the tier says"
    ),
    "tenants.NAME.content": Setting(
        "`full`, `redacted` or `none`", "none", "Wins over the tier's.", unsaid="as the tier says"
    ),
    "tenants.NAME.judge": Setting(
        "`sampled` or `never`", "never", "Wins over the tier's.", unsaid="as the tier says"
    ),
    "tenants.NAME.search": Setting(
        "`plain` or `off`", "off", "Wins over the tier's.", unsaid="as the tier says"
    ),
    "tenants.NAME.durability": Setting(
        "`group` or `strict`", "strict", "Wins over the tier's.", unsaid="as the tier says"
    ),
    **_budget("tenants.NAME", "the tenant", "as the tier says"),
    **_budget("tenants.NAME.features.NAME", "the feature of that name", "no budget"),
    **_budget("tenants.NAME.each_end_user", "each end user of the tenant", "no budget"),
    "tenants.NAME.when_redis_is_down": Setting(
        _AWAY, "open", "Wins over the tier's.", unsaid="as the tier says"
    ),
    **_plan("tenants.NAME", "the tenant", "as the tier says"),
    "tenants.NAME.stripe_customer": Setting(
        "text",
        "cus_NffrFeUfNV2Hib",
        "Who pays the tenant's bills at Stripe. Needs the section `stripe`.",
        unsaid="its bills are not passed on",
    ),
    "tenants.NAME.trust_trace_context": Setting(
        "`true` or `false`",
        "false",
        "Whether callers make their requests part of their own traces with `traceparent`. If not, a request has a trace of its own with a link to theirs, so that nobody can graft spans.",
        "true",
    ),
    "tenants.NAME.prices": Setting(
        "map",
        '{"openai/*": {discount: 12%}}',
        "What targets cost under the tenant's own contract, in the form of `prices.overrides`, over which it wins.",
        "{}",
    ),
    "keys[].name": Setting("name", "my-app", "What the key is for."),
    "keys[].tenant": Setting(
        "name of a tenant",
        "acme",
        "Who pays for what the key calls.",
        unsaid="required, unless the key has `act_for`",
    ),
    "keys[].act_for": Setting(
        '`"*"`, or a list of tenants',
        '"*"',
        "Instead of `tenant`: the tenants that requests may name in `x-trimtab-tenant`; each request must name one.",
        unsaid="the key has a tenant",
    ),
    **_budget("keys[]", "whoever uses the key", "no budget"),
    "keys[].new_tenant_tier": Setting(
        "name of a tier",
        "free",
        "With `act_for`: the tier in which a tenant never seen is made, at most 60 a minute and key.",
        unsaid="a tenant never seen is refused",
    ),
    "keys[].trust_trace_context": Setting(
        "`true` or `false`",
        "false",
        "The same for one key; say `false` for keys that browsers have. Both must trust.",
        "true",
    ),
    "keys[].may": Setting(
        "list of `evals`, `replay`, `keep`, `durability`, `force_arm`, `ingest_any`",
        "[evals]",
        "Rights beyond calling models, each for the header or route of its name; kept with the key until the gateway serves one.",
        unsaid="none",
    ),
    "keys[].id": Setting(
        "12 of a-z and 0-9", "7hq2m9xkd4wp", "The characters between `tt_..._` and the secret."
    ),
    "keys[].sha256": Setting(
        "64 hex digits, or a reference to them",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "SHA-256 of the whole key text; the text itself is never in a file.",
    ),
    "keys[].models": Setting(
        _MODELS, "[chat]", "Narrows what the tenant may call.", unsaid="as the tenant"
    ),
    "keys[].expires": Setting("date", "2099-12-31", "Last day the key works, UTC.", unsaid="never"),
    "prices.unknown_model": Setting(
        "`reject` or `meter_unknown`",
        "meter_unknown",
        "What happens to a request whose target has no price: refuse it, or serve it at a cost that is unknown.",
        "reject",
    ),
    "prices.overrides": Setting(
        "map",
        "{sim/*: {input: 3, output: 15}}",
        "Prices over the built-in list, by pattern of `provider/model`; see [models and prices](models.md#prices-of-your-own).",
        "{}",
    ),
    "telemetry.semconv": Setting(
        "`1.36`, `1.41` or `genai-latest`",
        "genai-latest",
        "Version of the OpenTelemetry GenAI conventions whose names exporters use.",
        "1.41",
    ),
    "telemetry.exporters[].preset": Setting(
        "a [preset](attributes.md#presets)",
        "phoenix",
        "Which receiver it is: endpoint, headers and names come from there.",
        "otlp",
    ),
    "telemetry.exporters[].region": Setting(
        "a region of the preset", "us", "Where the receiver is.", unsaid="the preset's first"
    ),
    "telemetry.exporters[].project": Setting(
        "text", "shop", "Project, dataset or application there.", unsaid=_NONE
    ),
    "telemetry.exporters[].site": Setting(
        "host name", "datadoghq.eu", "Site of Datadog.", unsaid=_NONE
    ),
    "telemetry.exporters[].zone": Setting(
        "text", "prod-eu-west-2", "Zone of Grafana Cloud.", unsaid=_NONE
    ),
    "telemetry.exporters[].instance": Setting(
        "text", "1234", "Instance of Grafana Cloud.", unsaid=_NONE
    ),
    "telemetry.exporters[].space": Setting("text", "U3Bh", "Space of Arize.", unsaid=_NONE),
    "telemetry.exporters[].key": Setting(
        "reference", "env:OTLP_KEY", "Key of the receiver.", unsaid=_NONE
    ),
    "telemetry.exporters[].public_key": Setting(
        "reference", "env:OTLP_KEY", "Public key of Langfuse.", unsaid=_NONE
    ),
    "telemetry.exporters[].semconv": Setting(
        "`1.36`, `1.41` or `genai-latest`",
        "'1.36'",
        "Version of the conventions for this receiver.",
        unsaid="the preset's, else `telemetry.semconv`",
    ),
    "telemetry.exporters[].signals": Setting(
        "list of `traces`, `metrics`, `logs`",
        "[traces, metrics]",
        "What is sent. With `logs`, evaluations are log records, else spans.",
        "[traces]",
    ),
    "telemetry.exporters[].name": Setting(
        "name",
        "collector",
        "Names the exporter's place in the spool; under a new name it starts anew.",
        unsaid="the preset's",
    ),
    "telemetry.exporters[].endpoint": Setting(
        "URL",
        "http://127.0.0.1:4318",
        "Base URL of an OTLP receiver (HTTP); the path of the preset is added, mostly `/v1/traces`, unless it ends so.",
        unsaid="the preset's",
    ),
    "telemetry.exporters[].headers": Setting(
        "map of references",
        "{x-api-key: env:OTLP_KEY}",
        "Sent with each batch, beside those of the preset; every value is a reference.",
        "{}",
    ),
    "telemetry.exporters[].content": Setting(
        "`none`, `span`, `event`, `span_and_event` or `reference`",
        "event",
        "Where what people and models wrote is sent, if at all; `reference` sends a link to the console. Nothing is sent of tenants whose `content` is not `full`.",
        "none",
    ),
    "telemetry.exporters[].ca_file": Setting(
        "path", "/etc/ssl/own.pem", "PEM file of one more trusted root certificate.", unsaid=_NONE
    ),
    "telemetry.sampling.rest": Setting(
        "0.0001 to 1",
        "0.05",
        "Share of ordinary traces that is exported. Errors, slow ones, experiments, what a guard or a budget stopped, and what is asked for are exported whatever it says; every record is stored. Leave it for the first month, then see `trimtab telemetry weights`.",
        "1",
    ),
    "telemetry.sampling.tiers": Setting(
        "map of tiers to 0.0001 to 1",
        "{free: 0.01}",
        "The same for single tiers.",
        "{}",
    ),
    "telemetry.sampling.slow_ms": Setting(
        "whole number",
        "5000",
        "Requests that take as long or longer are exported.",
        "10000",
    ),
    "telemetry.sampling.slow_ms_by_route": Setting(
        "map of routes to whole numbers",
        "{/v1/embeddings: 500}",
        "The same for single routes: what is long for an embedding is short for a chat.",
        "{}",
    ),
    "telemetry.sampling.keep": Setting(
        "list of `tenant:NAME`, `prompt:NAME`, `model:NAME`, `feature:NAME`",
        '["tenant:acme"]',
        "What is under watch: all of its traces are exported.",
        "[]",
    ),
    "telemetry.sampling.mode": Setting(
        "`keeper` or `collector`",
        "collector",
        "Who drops what is not kept. With `collector` everything is exported, and `trimtab.sampling.keep` tells an OpenTelemetry Collector what was decided.",
        "keeper",
    ),
    "telemetry.sampling.rehydrate_below": Setting(
        "number",
        "0.3",
        "An evaluation with a lower score brings a dropped trace back.",
        "0.5",
    ),
    "telemetry.baggage_allow": Setting(
        "list of keys",
        "[plan]",
        "Members of callers' `baggage` that become attributes of the root span, `baggage.KEY`.",
        "[]",
    ),
    "telemetry.metrics.max_tenants": Setting(
        "count",
        "2_000",
        "How many tenants metrics name, the dearest first; all others are one, `__other__`.",
        "500",
    ),
    "cloudwatch.mode": Setting(
        "`emf` or `put_metric_data`",
        "emf",
        "How [metrics reach CloudWatch](../how-to/watch-with-cloudwatch.md): documents in the log, or calls of its API.",
    ),
    "cloudwatch.file": Setting(
        "path",
        "/var/log/trimtab/emf.log",
        "Where documents are appended, one a line, without `file` to standard output; of `emf`.",
        unsaid=_NONE,
    ),
    "cloudwatch.namespace": Setting(
        "namespace", "Shop", "What CloudWatch shows the metrics under.", "Trimtab"
    ),
    "cloudwatch.region": Setting(
        "region", "eu-central-1", "Region of the API; `put_metric_data` needs it.", unsaid=_NONE
    ),
    "cloudwatch.top_tenants": Setting(
        "count", "50", "How many tenants have series of their own, the dearest first.", "20"
    ),
    "cloudwatch.endpoint": Setting(
        "URL",
        "https://monitoring.internal",
        "Where the API is, if not at AWS: https, or on this machine.",
        unsaid=_NONE,
    ),
    "registry.files": Setting(
        "list of globs",
        "[prompts/**/*.prompt.yaml]",
        "Where prompt files are, below the folder of this file; `trimtab prompts push` and `lint` read them.",
        "['prompts/**/*.prompt.yaml', 'prompts/**/*.v[0-9]*.yaml']",
    ),
    "registry.require_schemas": Setting(
        "`true` or `false`",
        "true",
        "Whether every variable of a prompt needs a schema of its own to be published.",
        "false",
    ),
    "registry.rollback_window": Setting(
        "days",
        "30d",
        "How far back a label may be rolled back without what the label asks for.",
        "30d",
    ),
    "registry.protected.NAME.requires": Setting(
        "list of `eval` and `review`",
        "[eval, review]",
        "What a label asks of a version before it may point there. A label that is named is protected, also with `[]`: it takes no pre-release.",
        unsaid="`production` is protected, and asks for both",
    ),
    "registry.cohorts": Setting(
        "map from name to list of tenants",
        "{beta: [acme]}",
        "Named sets of tenants that labels may be moved for. Of several that hold a tenant the first counts; one for each tier is there already, as `tier-free`.",
        unsaid="none but those of tiers",
    ),
    "registry.webhooks[].name": Setting(
        "name",
        "deploys",
        "Names its place in the change log; a new name begins with what comes next.",
    ),
    "registry.webhooks[].url": Setting(
        "URL", "https://hooks.example.com/trimtab", "Who is told of what moves in the registry."
    ),
    "registry.webhooks[].secret": Setting(
        "reference",
        "env:TRIMTAB_WEBHOOK_SECRET",
        "What its messages are signed with, as Standard Webhooks say: `whsec_` and base64.",
    ),
    "registry.webhooks[].allow_private_network": Setting(
        "`true` or `false`",
        "true",
        "Whether it may live on a loopback or private address.",
        "false",
    ),
    "retention.content": Setting(
        "days",
        "30d",
        "How long what people wrote is kept; a tenant may say otherwise. Whole UTC days, up to 3650.",
        "90d",
    ),
    "retention.records": Setting(
        "days",
        "400d",
        "How long records, their attempts and annotations are kept.",
        "400d",
    ),
    "retention.spans": Setting(
        "days",
        "14d",
        "How long what applications told of their own work is kept.",
        "14d",
    ),
    "retention.hours": Setting(
        "days",
        "35d",
        "How long sums by hour and minute are kept. Alerts compare with the same hour of four weeks before.",
        "35d",
    ),
    "retention.days": Setting(
        "days",
        "760d",
        "How long sums by day are kept.",
        "760d",
    ),
    "retention.ledger": Setting(
        "days",
        "2557d",
        "How long ledger lines are kept; seven years.",
        "2557d",
    ),
    "reconcile.providers.NAME.admin_key": Setting(
        "reference",
        "env:OPENAI_ADMIN_KEY",
        "The admin key that opens the usage and costs of that provider. Only the keeper and `trimtab reconcile` read it.",
    ),
    "reconcile.providers.NAME.url": Setting(
        "URL",
        "https://api.openai.com/v1",
        "Where usage and costs are asked for.",
        unsaid="the provider's `url`",
    ),
    "reconcile.providers.NAME.accounts[].account": Setting(
        "text",
        "proj_apps",
        "The provider's id of a project (OpenAI) or workspace (Anthropic) of ours; `default` is the one without an id. Without `accounts`, all that the admin key sees counts as ours.",
    ),
    "reconcile.providers.NAME.accounts[].key": Setting(
        "reference",
        "env:PROVIDER_KEY",
        "Which of the provider's credentials belongs to that account. Ledger lines name their credential by this reference; older ones by its place in the provider's list, and mean what stands there now.",
        unsaid="any",
    ),
    "reconcile.providers.NAME.accounts[].key_id": Setting(
        "text",
        "key_4fQ2",
        "The provider's id of that credential; what other keys of the account use is then `external_traffic`.",
        unsaid="every key of the account is ours",
    ),
    "stripe.key": Setting(
        "reference",
        "env:STRIPE_KEY",
        "The secret key, or a restricted one that may write meter events. Only the keeper reads it.",
    ),
    "stripe.event_name": Setting(
        "text", "llm_cents", "Event name of the meter that adds cents up.", "trimtab_cents"
    ),
    "stripe.grace": Setting(
        "duration",
        "24h",
        "How long after the end of a month its invoice becomes final, as set at Stripe; what comes later is on the next.",
        "1h",
    ),
    "stripe.every": Setting(
        "duration", "15m", "How often what is owed is looked up and passed on.", "1h"
    ),
    "stripe.url": Setting(
        "URL", "https://stripe.example.com", "Where Stripe is.", "https://api.stripe.com"
    ),
    "stripe.allow_private_network": Setting(
        "`true` or `false`",
        "true",
        "Whether it may live on a loopback or private address, as the simulator does.",
        "false",
    ),
    "evals.online.rate": Setting(
        "per cent",
        "5%",
        "Share of ordinary requests that are judged. Those of experiments and those that a guard flagged all are.",
        "1%",
    ),
    "evals.online.at_least": Setting(
        "whole number",
        "20",
        "So many of each prompt and tier are judged on each UTC day, whatever the share is.",
        "10",
    ),
    "evals.online.max_usd": Setting(
        "amount in USD",
        "5",
        "What judging may cost on a UTC day, of all hosts that record in one store; then it stops. `trimtab-eval` pays.",
    ),
    "evals.online.judge.model": Setting(
        "model", "chat-frozen", "Model that judges; pin a dated one."
    ),
    "evals.online.judge.max_tokens": Setting(
        "whole number", "1_024", "How long its answers may be.", "2048"
    ),
    "evals.online.judge.embeddings": Setting(
        "model",
        "sim/embed-2026-01-15",
        "Model of the metrics that compare vectors.",
        unsaid="none of them",
    ),
    "evals.online.metrics": Setting(
        "map from names to [options](evals.md#metrics)",
        "{refuses: {expected: false}}",
        "Metrics that ask the judge and need no expected answer, with their options; `metric` among them names the metric if the name does not. `faithfulness` scores where the prompt has variables with `x-trust: retrieved`.",
    ),
    **_budget("site", "all tenants together", "no budget"),
    "alerts.every": Setting(
        "duration", "30s", "How often the rules on spending are judged.", "60s"
    ),
    "alerts.repeat": Setting(
        "duration", "12h", "An alert that stays open is told again after so long, not sooner.", "4h"
    ),
    "alerts.floor_usd": Setting(
        "amount in USD",
        "0.50",
        "What a day may cost more than usual before `spend_spike` is raised; an hour, a quarter of it.",
        "5",
    ),
    "alerts.factor": Setting(
        "number", "2.5", "How many times the usual is too much, above 1 and up to 100.", "3"
    ),
    "alerts.routes[].name": Setting("name", "ops", "Names the route to `trimtab alerts test`."),
    "alerts.routes[].kind": Setting(
        "`webhook`, `slack`, `pagerduty` or `email`", "webhook", "How it is told."
    ),
    "alerts.routes[].severities": Setting(
        "list of `page`, `message` and `report`",
        "[page]",
        "What it is told of.",
        "[page, message]",
    ),
    "alerts.routes[].url": Setting(
        "URL, or of `slack` a reference",
        "https://hooks.example.com/alerts",
        "Where it is posted: of `webhook` and `slack`, and of `pagerduty` if it is not the usual place.",
        unsaid="required for `webhook` and `slack`",
    ),
    "alerts.routes[].secret": Setting(
        "reference",
        "env:TRIMTAB_ALERTS_SECRET",
        "What a `webhook` is signed with, as Standard Webhooks say: `whsec_` and base64.",
        unsaid="required for `webhook`",
    ),
    "alerts.routes[].key": Setting(
        "reference",
        "env:PAGERDUTY_KEY",
        "The integration key of `pagerduty`, of its Events API v2.",
        unsaid="required for `pagerduty`",
    ),
    "alerts.routes[].server": Setting(
        "host or host:port",
        "smtp.example.com:587",
        "Who takes the mail of `email`; without a port 587, with `tls: tls` 465.",
        unsaid="required for `email`",
    ),
    "alerts.routes[].tls": Setting(
        "`starttls`, `tls` or `none`",
        "tls",
        "How the connection to the mail server is encrypted; `none` needs `allow_private_network`.",
        unsaid="`starttls`",
    ),
    "alerts.routes[].from": Setting(
        "mail address",
        "trimtab@example.com",
        "Whom `email` is from.",
        unsaid="required for `email`",
    ),
    "alerts.routes[].to": Setting(
        "list of mail addresses",
        "[ops@example.com]",
        "Whom `email` is for.",
        unsaid="required for `email`",
    ),
    "alerts.routes[].user": Setting(
        "text", "trimtab", "Who logs in at the mail server.", unsaid="nobody logs in"
    ),
    "alerts.routes[].password": Setting(
        "reference", "env:SMTP_PASSWORD", "What `user` logs in with.", unsaid="nobody logs in"
    ),
    "alerts.routes[].allow_private_network": Setting(
        "`true` or `false`",
        "true",
        "Whether a route may lead to a loopback or private address, and be unencrypted there.",
        "false",
    ),
    "content_encryption.master_key": Setting(
        "reference",
        "env:TRIMTAB_MASTER_KEY",
        "Seals [what people wrote](../how-to/encrypt-content.md) under keys of tenants, which this key wraps: 32 random bytes in base64 or hex. Words of it cannot be searched then.",
        unsaid="content is not encrypted",
    ),
    "log_line.stdout": Setting(
        "`true` or `false`",
        "true",
        "Copies the log line of each request to standard output of the keeper.",
        "false",
    ),
}

ENVIRONMENT = {
    "TRIMTAB_CONFIG": (
        "`trimtab.yaml` if it is here, else the demo",
        "Configuration file, where no `--config` is given.",
    ),
    "TRIMTAB_LISTEN": (
        "`gateway.listen`",
        "Address to listen on, as host:port; wins over the file, and `--host` and `--port` win over it.",
    ),
    "TRIMTAB_HOME": (
        "`.trimtab`",
        "State directory, where no `--home` is given: change log, records, content, spool, log, keys.",
    ),
    "TRIMTAB_ENV": (
        "`dev`",
        "Name of the deployment, 2 to 8 lower-case letters; it is part of new keys and of every record.",
    ),
    "TRIMTAB_CACHE_KEY": (
        "none",
        "Secret that remembered verdicts of judges are signed with, at least 16 characters; with it, what is not signed is not used.",
    ),
    "TRIMTAB_URL": (
        "set by runs",
        "Gateway that `trimtab.sdk.init` tells things; set for a program that is evaluated, which finds a key for it in `TRIMTAB_API_KEY`.",
    ),
    "TRIMTAB_KEY": (
        "none",
        "Key of the tenant that an app which calls `trimtab.sdk.init` is of.",
    ),
    "TRIMTAB_EVAL": (
        "set by runs",
        "What such a program sends in the header `x-trimtab-eval`.",
    ),
    "TRIMTAB_API_KEY": (
        "none",
        "Key for the gateway that `trimtab evals run --gateway` names; one made with `--may evals`.",
    ),
}

FOREIGN_ENVIRONMENT = {
    "HTTPS_PROXY": ("none", "Proxy for providers and receivers that are reached by HTTPS."),
    "NO_PROXY": ("none", "Hosts that are reached without the proxy."),
    "OTEL_SEMCONV_STABILITY_OPT_IN": (
        "none",
        "With `gen_ai_latest_experimental` in it, `telemetry.semconv` is `genai-latest` if it is not written.",
    ),
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": (
        "`NO_CONTENT`",
        "`SPAN_ONLY`, `EVENT_ONLY` or `SPAN_AND_EVENT`: what `content` of exporters is if it is not written.",
    ),
}


class Remedy(NamedTuple):
    """What to do about an error, and who."""

    who: str
    what: str


_APP, _OPERATOR, _ANYBODY = "app", "operator", "app, later"

REMEDIES = {
    "internal": Remedy(
        _OPERATOR, "Report it with the request id; the worker's log has the traceback."
    ),
    "invalid_request": Remedy(_APP, "Correct what `param` and the message name."),
    "field_not_allowed": Remedy(
        _APP,
        "Leave out the tool or the header's value that the message names, or have an operator add it to `server_tools` of the tenant or `betas` of the provider.",
    ),
    "unsupported": Remedy(
        _APP, "Leave out the member that `param` names; the message says what to do instead."
    ),
    "unsupported_by_target": Remedy(
        _APP,
        "Leave the named member out, or have the operator set `when_untranslatable: drop` on the model.",
    ),
    "body_too_large": Remedy(_APP, "Send less, or raise `gateway.max_body`."),
    "request_timeout": Remedy(_APP, "Send the body within 30 seconds."),
    "unauthenticated": Remedy(
        _APP,
        "Send a key made with `trimtab keys create`, as `authorization: Bearer` or `x-api-key`.",
    ),
    "key_revoked": Remedy(_OPERATOR, "Make a new key; a revoked one stays so."),
    "key_expired": Remedy(_OPERATOR, "Make a new key with a later `--expires`."),
    "tenant_suspended": Remedy(
        _OPERATOR,
        "Find out why in `trimtab changes list`, then resume what the message names: a tenant, key, feature, user, or all.",
    ),
    "tenant_not_allowed": Remedy(
        _APP,
        "Drop `x-trimtab-tenant` or send the key of that tenant; a key with `act_for` names a tenant of its list.",
    ),
    "model_suspended": Remedy(
        _OPERATOR,
        "Call another model, or find out why in `trimtab changes list` and resume the model or provider.",
    ),
    "control_unavailable": Remedy(
        _ANYBODY, "The request needed a new tenant, and the change log is away; the SDKs try again."
    ),
    "model_not_allowed": Remedy(
        _OPERATOR,
        "Add the model to the tenant, its tier or the key, or call one of `GET /v1/models`.",
    ),
    "model_not_found": Remedy(
        _APP, "Call a model of `GET /v1/models`, or add it to `trimtab.yaml`."
    ),
    "price_unknown": Remedy(
        _OPERATOR,
        "Add a price under `prices.overrides`, or set `prices.unknown_model: meter_unknown`.",
    ),
    "maximum_unknown": Remedy(
        _OPERATOR,
        "A budget is `hold: strict`: say in `max_tokens` of the provider what the model reads and writes at most, or set `hold: estimate`.",
    ),
    "content_blocked": Remedy(
        _APP, "Change the text; there are no guards yet, so nothing raises this."
    ),
    "prompt_ambiguous": Remedy(
        _APP, "Name one prompt, in one way, with its variables in one place."
    ),
    "prompt_variables_invalid": Remedy(
        _APP,
        "Give the variable that `param` and the message name, as its schema says; `trimtab prompts show` prints the schema.",
    ),
    "prompt_hash_mismatch": Remedy(
        _APP,
        "Renew the client's copy of the prompt: somebody edited it, or it is of another registry.",
    ),
    "prompt_shape_mismatch": Remedy(
        _APP,
        "Run `trimtab prompts codegen` and use the new wrapper, or name a version of its major.",
    ),
    "version_blocked": Remedy(
        _APP, "Use another version; the message says why this one is blocked."
    ),
    "not_a_plain_template": Remedy(
        _APP,
        "Read the version with `trimtab.sdk`, or with `accept: application/vnd.trimtab.prompt+json`.",
    ),
    "precondition_required": Remedy(
        _OPERATOR, 'Send `If-Match: "SEQ"` with the number of the change that moved the label last.'
    ),
    "prompt_not_found": Remedy(
        _APP,
        "Correct the name, version or label; `trimtab prompts list` tells what there is, `trimtab prompts promote` points a label.",
    ),
    "not_a_version": Remedy(_APP, "Read a label at `/prompts/NAME/labels/LABEL`."),
    "prompt_unavailable": Remedy(
        _ANYBODY,
        "Try again once a gateway answers; ship a `prompts.lock` so that the app can start without.",
    ),
    "lint_failed": Remedy(
        _OPERATOR, "Correct what each line names; `trimtab prompts lint` tells it before."
    ),
    "bump_too_small": Remedy(_OPERATOR, "Take the number the message names, or change less."),
    "version_immutable": Remedy(
        _OPERATOR, "Give the text a number of its own; what is published never changes."
    ),
    "in_use": Remedy(
        _OPERATOR, "Move the labels that the message names, or yank with `--and-rollback`."
    ),
    "label_protected": Remedy(
        _OPERATOR,
        "Attach evidence with `trimtab prompts evidence`, have somebody else run `trimtab prompts approve`, or have an admin say `--override`.",
    ),
    "nothing_to_roll_back_to": Remedy(
        _OPERATOR, "Look at `trimtab prompts history`, and promote a version instead."
    ),
    "version_corrupt": Remedy(
        _OPERATOR,
        "Somebody wrote in the control store itself: restore it, and look at `trimtab prompts verify` and `trimtab changes verify`.",
    ),
    "forbidden": Remedy(
        _OPERATOR,
        "Ask an admin for the right the message names, or send the form from the console itself.",
    ),
    "legal_hold_active": Remedy(
        _OPERATOR,
        "Ask who keeps the case that the message names, and have it released with `trimtab records release`.",
    ),
    "not_found": Remedy(_APP, "Look at the path and the id."),
    "record_not_found": Remedy(
        _OPERATOR, "Ask again in a second if the request is new, else look at the id."
    ),
    "record_erased": Remedy(
        _OPERATOR, "Nothing: it was erased on request, and only its figures are kept."
    ),
    "content_expired": Remedy(
        _OPERATOR, "Take a request whose content is kept; `content: full` keeps that of a tenant."
    ),
    "rate_limited": Remedy(_ANYBODY, "Wait as long as `retry-after` says, or raise the limit."),
    "parallel_limited": Remedy(_ANYBODY, "Wait for a request to end, or raise `parallel`."),
    "budget_exhausted": Remedy(
        _OPERATOR,
        "Wait for `x-trimtab-budget-reset`, raise the budget, or ask for fewer tokens of output.",
    ),
    "budget_unreachable": Remedy(
        _APP, "Lower the maximum of output tokens: no budget of this size can cover the request."
    ),
    "budget_held": Remedy(
        _ANYBODY,
        "Wait as long as `retry-after` says: running requests may leave room. Without it, a spending speed refills in more than 120 seconds; the message says when.",
    ),
    "limits_unavailable": Remedy(
        _OPERATOR,
        "Bring the Redis back, or let `when_redis_is_down` say that the tenant may go on without it.",
    ),
    "recorder_unavailable": Remedy(
        _OPERATOR,
        "Make room on the disk of the state directory; nothing is served that cannot be recorded.",
    ),
    "draining": Remedy(_ANYBODY, "Try again: the worker is stopping and another one takes over."),
    "idempotency_in_flight": Remedy(
        _ANYBODY, "Ask again in a second: the first request of this `idempotency-key` still runs."
    ),
    "idempotency_done": Remedy(
        _APP,
        "The request was carried out; the message names it. Its answer was a stream, larger than 256 KiB or cut off, so only a new `idempotency-key` asks again.",
    ),
    "idempotency_mismatch": Remedy(
        _APP,
        "Send a new `idempotency-key` with every new request; this one was sent with another body or to another route.",
    ),
    "provider_error": Remedy(
        _ANYBODY, "Try again later; the record has the provider's own reason."
    ),
    "provider_bad_output": Remedy(
        _ANYBODY, "Try again; if it stays, look at what the provider sends."
    ),
    "provider_auth": Remedy(
        _OPERATOR,
        "Set the credential that the provider's `key` refers to, and restart the gateway.",
    ),
    "provider_rate_limited": Remedy(_ANYBODY, "Slow down, or ask the provider for more."),
    "provider_overloaded": Remedy(
        _ANYBODY, "Try again later, or move the alias to another target."
    ),
    "provider_timeout": Remedy(_ANYBODY, "Try again, or raise the model's `timeouts`."),
    "deadline_exceeded": Remedy(
        _APP, "Allow more in `x-trimtab-deadline-ms`, or ask a faster model for less."
    ),
    "provider_refused": Remedy(
        _APP, "Read the provider's answer, which is relayed as it is, and change the request."
    ),
    "model_refused": Remedy(
        _APP,
        "Nothing: another target was asked, as `fallback.when_refused` says. Only attempts have this code.",
    ),
    "stream_truncated": Remedy(
        _ANYBODY, "Try again; what was received is incomplete and was charged as used."
    ),
    "stream_stalled": Remedy(_ANYBODY, "Try again, or raise `timeouts.between_tokens`."),
    "settings_invalid": Remedy(
        _OPERATOR, "Correct what the message names, then run `trimtab check`."
    ),
    "change_conflict": Remedy(_OPERATOR, "Look at what changed and decide again."),
    "schema_too_new": Remedy(_OPERATOR, "Run the newer Trimtab that wrote the database."),
}

RECORD_CODES = {
    "worker_lost": "The worker died before it wrote how the request ended; it is charged for what its frames prove.",
}

FIELDS = {
    "request_id": "Names the request: `r_` and a ULID.",
    "tenant_id": "Who pays.",
    "tier": "Contract class of the tenant.",
    "key_id": "Id of the key that was sent.",
    "feature": "Part of the app, as the request named it; `default` if it did not.",
    "origin": "Why the request ran; always `live` in this version.",
    "origin_request_id": "Request that this one repeats; not set yet.",
    "wire": "Dialect the caller spoke: `openai.chat` or `anthropic.messages`.",
    "stream": "Whether a stream was asked for.",
    "config_seq": "Number of the change the request ran under.",
    "model_requested": "Model as the app named it.",
    "model_response": "Model as the provider named it in its answer.",
    "provider": "Provider of the last attempt, by its name in `trimtab.yaml`.",
    "target": "Target of the last attempt, as provider/model.",
    "prompt_name": "Name of the prompt that the request named.",
    "prompt_version": "Version of the prompt that it got.",
    "prompt_hash": "Hash of what that version says; the first 12 digits in the log line.",
    "experiment": "Experiment the request was part of; not set yet.",
    "arm": "Arm it was given; not set yet.",
    "input_tokens": "Tokens read, cached ones included.",
    "cached_tokens": "Tokens read from the provider's cache.",
    "cache_write_tokens": "Tokens written to the provider's cache.",
    "output_tokens": "Tokens written, reasoning included.",
    "reasoning_tokens": "Tokens of reasoning within the output.",
    "usage_source": "Where the token counts come from: `provider`, `partial`, `estimated` or `none`. With several attempts, as sure as the least sure of them.",
    "cost_nano": "Exact cost in nano-USD; absent if a price is unknown.",
    "price_version": "Names the whole set of prices that was in force.",
    "ttft_us": "Microseconds from admission to the first content.",
    "latency_us": "Microseconds from admission to the end.",
    "guardrail_decision": "What the guards decided; always `allow` in this version.",
    "tool_call_count": "Tool calls in the answer.",
    "attempt_count": "Tries at a target; 0 if the request was refused before.",
    "fallback_used": "Whether another target than the first answered; always false in this version.",
    "status": "How it ended: `ok`, `error`, `blocked`, `rejected`, `cancelled`, `truncated` or `lost`.",
    "error_code": "Why it failed; see [errors](errors.md).",
    "http_status": "HTTP status: on the root and in the record the caller's (0 if nobody knows), on an attempt the provider's.",
    "replay": "Whether the stored content is enough to ask again: `full`, `partial` or `none`.",
    "sampling_rule": "Which rule decided whether the trace is exported: `forced`, `error`, `slow`, `experiment`, `guard` or `rest`; `rehydrated:` and why, of one that was dropped and exported later; `all` before there were rules.",
    "adjusted_count": "How many requests the trace stands for if it was kept. A span without it stands for an unknown number (0 in the record), and one that was rehydrated for none.",
}

LOG_KEYS = {
    "ts": "Instant of admission, UTC, to the millisecond.",
    "model": FIELDS["model_requested"],
    "cost_usd": "Exact cost in USD; null if a price is unknown.",
    "latency_ms_total": "Milliseconds from admission to the end.",
    "judge_score": "Score of a judge; not set yet.",
    "event": "What the line is about; always `request`.",
    "v": "Version of the line's form.",
    "trace_id": "Trace id, 32 hex digits; the caller's if it sent `traceparent`.",
    "attempts": FIELDS["attempt_count"],
    "ttft_ms": "Milliseconds from admission to the first content.",
    "stages_ms": "Milliseconds of each stage of the request path.",
    "retrieved": "Documents that were retrieved; empty in this version.",
    "tool_calls": FIELDS["tool_call_count"],
    "fallback": FIELDS["fallback_used"],
}

ATTRIBUTES = {
    "tenant.id": "The tenant again, under the name many backends group by.",
    "trimtab.sampling.keep": "`true` or `false`, as text: whether the trace is to be kept.",
    "trimtab.sampling.policy_version": "Names the settings that decided, by their hash.",
    "trimtab.sampling.slow_ms": "The limit that made it slow.",
    "baggage.KEY": "Member of the caller's `baggage` that `telemetry.baggage_allow` names.",
    "trimtab.total_tokens": "Tokens in and out.",
    "trimtab.cost.usd": "Cost in USD as a float, for charts; `trimtab.cost.nano_usd` is exact.",
    "error.type": "The error code, on a span that failed.",
    "http.request.method": "Method of the request.",
    "http.route": "Route of the request.",
    "trimtab.assign_reason": "Why that arm was given; not set yet.",
    "trimtab.hold.nano_usd": "Money held before the call; not set yet.",
    "trimtab.budget_left.nano_usd": "What was left of the budget; not set yet.",
    "trimtab.funded_model": "Model the budget allowed; not set yet.",
    "trimtab.attempt.n": "Number of the attempt, from 1.",
    "trimtab.attempt.target": "Target of the attempt, as provider/model.",
    "trimtab.attempt.cancelled": "Whether the attempt was closed because the caller had gone.",
    "trimtab.attempt.usage_source": "Where the attempt's token counts come from.",
    "trimtab.attempt.cost.nano_usd": "Exact cost of the attempt in nano-USD.",
    "trimtab.attempt.cost.usd": "Cost of the attempt in USD as a float.",
    "trimtab.attempt.provider_request_id": "The provider's own id of the call.",
    "trimtab.collapsed": "How many attempts this span stands for, when a trace has more than 64 spans.",
    "gen_ai.provider.name": "The provider, by its name in `trimtab.yaml`.",
    "gen_ai.operation.name": "The operation, such as `chat`.",
    "gen_ai.request.model": "Model as it was sent to the provider.",
    "gen_ai.request.stream": "Whether a stream was asked for.",
    "gen_ai.response.model": "Model as the provider named it.",
    "gen_ai.response.id": "Id of the provider's answer; on the last attempt.",
    "gen_ai.response.finish_reasons": "Why the answer ended; on the last attempt.",
    "gen_ai.response.time_to_first_chunk": "Seconds from the start of the attempt to its first content.",
    "gen_ai.usage.input_tokens": "Tokens read, cached ones included.",
    "gen_ai.usage.output_tokens": "Tokens written.",
    "gen_ai.usage.cache_read.input_tokens": "Tokens read from the provider's cache.",
    "gen_ai.usage.cache_creation.input_tokens": "Tokens written to the provider's cache.",
    "gen_ai.usage.reasoning.output_tokens": "Tokens of reasoning; on the last attempt.",
    "gen_ai.prompt.name": "Name of the prompt; not set yet.",
    "gen_ai.conversation.id": "Conversation, as the request named it.",
}

CONTENT = {
    "gen_ai.input.messages": "What was asked, as JSON: the first message, and as many of the last as fit into 128 KiB.",
    "gen_ai.output.messages": "What was answered, as JSON.",
    "gen_ai.system_instructions": "Instructions that a wire has apart from messages, as JSON.",
    "gen_ai.tool.definitions": "Tools that the model was offered, as JSON.",
    "trimtab.content.left_out": "How many messages are left out.",
    "trimtab.content.url": "With `reference`: the page of the request in the console.",
    "gen_ai.evaluation.explanation": "On an evaluation: why the judge said so.",
}

EVALUATION = {
    "gen_ai.evaluation.name": "The metric, by its name in `evals.online.metrics`.",
    "gen_ai.evaluation.score.value": "The score.",
    "gen_ai.evaluation.score.label": "What the answer was taken for, such as `refuses`.",
    "gen_ai.response.id": "Id of the provider's answer.",
    "trimtab.request_id": "Names the request that was judged.",
    "trimtab.tenant.id": "Whose request it was.",
    "tenant.id": "The same.",
    "trimtab.evaluation.source": "Who said it: `judge`.",
    "trimtab.evaluation.author": "Model that judged.",
    "trimtab.evaluation.version": "Version of the metric, with a hash of its options and prompts; others do not compare.",
    "trimtab.evaluation.probability": "With which the request was chosen: in a rate it counts 1/probability times.",
}

RESOURCE = {
    "service.name": "Always `trimtab`.",
    "service.instance.id": "The worker, as `gateway-1`.",
    "service.version": "Version of Trimtab.",
    "deployment.environment.name": "The deployment, as `TRIMTAB_ENV` names it.",
}

RESPONSE_HEADERS = {
    "x-trimtab-request-id": "Names the request, for `trimtab trace`.",
    "x-request-id": "The same; the OpenAI SDK shows it as `_request_id`.",
    "request-id": "The same; the Anthropic SDK shows it as `_request_id`.",
    "x-trimtab-trace-id": "Trace id of the request.",
    "traceresponse": "The same with the id of the request's span, as W3C Trace Context level 2 says. The flag `sampled` is set if it is sure before the end that the trace is exported.",
    "x-trimtab-config": "Number of the change the request ran under; 0 if it was refused before that was known.",
    "x-trimtab-target": "Target of the last attempt.",
    "x-trimtab-attempts": "Number of attempts, if there was one.",
    "x-trimtab-dropped": "Members of the request that were left out because the provider's wire has no words for them, if any were.",
    "x-trimtab-shadow-limits": "Limits that would have refused the request, if they did more than count: `requests`, `tokens`, `slots`.",
    "x-trimtab-downgraded": "Cheaper model that answered, because a budget had no room for the one that was asked for.",
    "x-trimtab-degraded": "`limits` if the limits that all workers share were away, so that this worker decided alone.",
    "x-trimtab-usage": "Where the token counts come from; not on streams, whose last comment says it.",
    "x-trimtab-cost-usd": "Exact cost in USD; absent if unknown, and not on streams, whose last comment says it.",
    "x-trimtab-estimated": "`true` on a count of tokens that is Trimtab's guess and not the provider's count.",
    "x-trimtab-replayed": "`true` on the stored answer of an earlier request with the same `idempotency-key`; it costs nothing.",
    "x-trimtab-budget-remaining-usd": "What is left of the tightest budget, if one applies, as it was when the request was admitted: what it may cost is taken off.",
    "x-trimtab-budget-reset": "When the next period of that budget begins, as `2026-05-01T00:00:00Z`; also on 402 `budget_exhausted`.",
    "x-ratelimit-limit-requests": "The tenant's requests per minute, if they are limited; on the OpenAI wire.",
    "x-ratelimit-remaining-requests": "How many of those are left.",
    "x-ratelimit-reset-requests": "In how long all of them are there again, as `7.66s`.",
    "anthropic-ratelimit-requests-limit": "The tenant's requests per minute, if they are limited; on the Anthropic wire.",
    "anthropic-ratelimit-requests-remaining": "How many of those are left.",
    "anthropic-ratelimit-requests-reset": "When all of them are there again, as `2026-04-25T12:00:00Z`.",
    "x-ratelimit-limit-tokens": "The tenant's tokens per minute, if they are limited; on the OpenAI wire.",
    "x-ratelimit-remaining-tokens": "How many of those are left.",
    "x-ratelimit-reset-tokens": "In how long all of them are there again, as `7.66s`.",
    "anthropic-ratelimit-tokens-limit": "The tenant's tokens per minute, if they are limited; on the Anthropic wire.",
    "anthropic-ratelimit-tokens-remaining": "How many of those are left.",
    "anthropic-ratelimit-tokens-reset": "When all of them are there again, as `2026-04-25T12:00:00Z`.",
    "x-trimtab-error": "The error code, on a refusal.",
    "x-should-retry": "Whether the SDKs may try again by themselves.",
    "retry-after": "Seconds to wait, where a retry makes sense.",
    "retry-after-ms": "The same in milliseconds.",
}

REQUEST_HEADERS = {
    "authorization": "The key, as `Bearer tt_...`.",
    "x-api-key": "The key, as the Anthropic SDK sends it.",
    "anthropic-version": "Goes along to the provider; on `GET /v1/models` it asks for Anthropic's form of the list.",
    "anthropic-beta": "Goes along to the provider if each of its values is in the provider's `betas`; else the request is refused.",
    "openai-beta": "The same, on the OpenAI wire.",
    "idempotency-key": "Carries a request out once, however often it is sent within 10 minutes: 1 to 255 visible ASCII characters, the tenant's own. Sent again with the same body, it gets the stored answer of up to 256 KiB, with `x-trimtab-replayed: true` and at no charge. Where one worker keeps them in memory, its restart forgets them; a Redis does not.",
    "traceparent": "W3C trace context; the request becomes part of that trace.",
    "tracestate": "Kept in order and exported with the trace; our own member is `ot=th:...;rv:...`. An invalid one is dropped.",
    "baggage": "Read for the keys of `telemetry.baggage_allow` alone.",
    "x-trimtab-keep": "`1` has the trace exported whatever the sampling says. Only for a key with `may: [keep]`.",
    "x-stainless-retry-count": "How often the SDK tried before; kept in the record.",
    "x-trimtab-feature": "Part of the app the request is for.",
    "x-trimtab-prompt": "Prompt that the messages were rendered from by a client, as `rag-answer@3.2.0; label=production; hash=74b300726fa8; source=memory`; `trimtab.sdk` sends it.",
    "x-trimtab-eval": "Run, case, arm (`candidate`, `baseline` or `judge`) and sample of the evaluation that the call is part of, as `ev_01JXC4/q-0017/candidate/0`; evaluations send it. Only for a key with `may: [evals]`. The record's `origin` is `eval` or `judge`: it counts against the key's own budget, in no report of users' traffic, and against the tenant's budget only for tenant `trimtab-eval`.",
    "x-trimtab-tags": "Pairs of short texts, kept in the record and the ledger, as `team=search&build=42`, percent-encoded; those in the body win.",
    "x-trimtab-documents": "What the app found for its question: base64url of zlib of a JSON object, or that object: `{documents: [{id, score, version, sha256}], index, index_build_date, embedding_model, retrieval_us}`, best first, at most 32 documents and 6 KiB. All but `documents` and `id` may be left out. `span`, if a span has them. `trimtab.sdk` sends it.",
    "x-trimtab-user": "End user of the app; only a keyed hash is kept.",
    "x-trimtab-conversation": "Conversation the request is part of.",
    "x-trimtab-deadline-ms": "Milliseconds in which the whole answer is wanted, 1 to 999999999. No wait and no attempt goes beyond; then it is 504 `deadline_exceeded`, or an error event in a stream.",
    "x-trimtab-tenant": "Tenant that pays, for a key with `act_for`; with any other key, its own tenant or nothing.",
}

BODY_MEMBERS = {
    "feature": "Part of the app the request is for: lower-case letters, digits, `.`, `_` or `-`.",
    "user": "End user of the app; only a keyed hash is kept.",
    "conversation": "Conversation the request is part of.",
    "prompt": "Prompt whose messages the request shall have: `{id, version, variables}`, or short `rag-answer@3.2.0` or `rag-answer@production`. Not on embeddings and moderations; on Responses the native `prompt` does the same.",
    "variables": "Values for a prompt in the short form.",
    "tags": "Up to 16 pairs of short texts, kept in the record and the ledger.",
}

GATEWAY_ROUTES = {
    "POST /v1/chat/completions": "OpenAI Chat Completions, streamed or not.",
    "POST /v1/responses": "OpenAI Responses, streamed or not; `previous_response_id` goes on where the answer was made.",
    "POST /v1/embeddings": "OpenAI Embeddings.",
    "POST /v1/moderations": "OpenAI Moderations; free. Without a `model` it is `omni-moderation-latest`.",
    "POST /v1/messages": "Anthropic Messages, streamed or not.",
    "POST /v1/messages/count_tokens": "Anthropic's count of tokens; free. Estimated if the model's provider cannot count.",
    "POST /v1/feedback": "What a user or the app says of a request, or a list of up to 100: `{request_id or response_id, name, score, label, comment, kind, idempotency_key}`. 202 with the ids of the annotations. It is stored if the request is the tenant's; one that is not known yet is waited for, 24 h at most. A `comment` is content, and kept as the tenant's content is.",
    "GET /v1/models": "Models the key may call; those that only `provider/*` allows are not listed.",
    "GET /v1/models/{id}": "One model, also one that only `provider/*` allows.",
    "GET /prompts": "Prompts, with where their labels point.",
    "GET /prompts/NAME": "One prompt: its versions and labels.",
    "GET /prompts/NAME/versions/VERSION": "One version, for ever the same: the seed's entry with its `template`, or all of it with `accept: application/vnd.trimtab.prompt+json`.",
    "GET /prompts/NAME/labels/LABEL": "Where a label points for the tenant of the key.",
    "GET /prompts/events": "What moves in the registry, as server-sent events after the number `after`; with `wait=0` what is known now.",
    "POST /prompts/NAME/render": "Renders a prompt from `{version or label, variables, messages}`; the way for engine `jinja`.",
    "POST /v1/traces": "Spans of applications, in OTLP: protobuf or JSON, gzip or not.",
    "POST /v1/logs": "Events of GenAI within a trace, in OTLP; evaluations become annotations of the request that they name.",
    "GET /healthz": "200 while the process lives.",
    "GET /readyz": "200 once it has a configuration and takes requests, else 503; with `control_store` in it while the control store is away.",
    "/console": "Passed on to the keeper: the console. `GET /console/healthz` needs no login: 200 while the keeper reads records and stores what is appended, else 503 within 10 s.",
    "/admin/v1/": "Passed on to the keeper: the admin API.",
    "/metrics": "Passed on to the keeper: [metrics](#metrics).",
    "/": "Passed on to the keeper, which leads on to the console.",
}

PAGES = {
    "GET /console": "Overview: traffic, errors, latency and cost.",
    "GET /console/live": "The figures of the overview, for its own refresh.",
    "GET /console/login": "Form to log in.",
    "POST /console/login": "Logs in; five failures a minute and account are allowed.",
    "POST /console/logout": "Logs out.",
    "GET /console/requests": "Requests, with a filter, filters that were saved, and what the list can be narrowed to.",
    "GET /console/conversations/{id:path}": "A conversation of one tenant, turn by turn: what each adds, costs and took, and what people wrote for those with the right `content`.",
    "GET /console/compare": "Two requests, `a` and `b`, side by side; with one of them, others of its kind to choose from.",
    "GET /console/pipeline": "How far store and exporters are behind each worker, and what was dropped, rejected or given up.",
    "GET /console/pipeline/live": "The figures of that page, for its own refresh.",
    "GET /console/tail": "The newest requests, with a filter, and more as they come.",
    "GET /console/tail/rows": "The rows of that page, for its own refresh.",
    "POST /console/filters": "Gives a filter a name, for oneself or, by an operator, for all.",
    "POST /console/filters/delete": "Forgets a filter.",
    "GET /console/requests/{id}": "One request: verdict, waterfall, usage, cost, and what people wrote for those with the right `content`.",
    "GET /console/requests/{id}/case": "Form that asks what the answer should have been.",
    "POST /console/requests/{id}/case": "The request as a line of a dataset, without personal data, to copy or as a file; the audit notes who read it.",
    "GET /console/models": "Models: where each leads, how its targets did in the last hour, which of them a worker leaves alone.",
    "GET /console/models/{name}/move": "Where a model leads; with `to`, what another target would change.",
    "POST /console/models/{name}/move": "Lead a model elsewhere.",
    "GET /console/prompts": "Prompts with where their labels point, and what they cost in a day.",
    "GET /console/prompts/new": "Form for a prompt file; with `from`, begins with a version that is there.",
    "POST /console/prompts/new": "Plans a prompt file, or publishes it.",
    "GET /console/prompts/{name}": "One prompt: labels by scope, who gets what, figures by version, versions, moves of a label.",
    "POST /console/prompts/{name}/rollback": "Points a label at what it held before.",
    "GET /console/prompts/{name}/move": "What a move of a label would change, for whom, and what the label asks for.",
    "POST /console/prompts/{name}/move": "Points a label at a version.",
    "GET /console/prompts/{name}/diff": "Two versions side by side, and the number that the change asks for.",
    "GET /console/prompts/{name}/versions/{version}": "One version: what it says, its variables, what vouches for it, and a place to try it.",
    "POST /console/prompts/{name}/versions/{version}/preview": "Fills the variables in, and calls no model.",
    "POST /console/prompts/{name}/versions/{version}/approve": "Says that a second person has read it.",
    "POST /console/prompts/{name}/versions/{version}/yank": "Takes a version out of use.",
    "POST /console/prompts/{name}/versions/{version}/unyank": "Puts a version back into use.",
    "GET /console/breaker": "Who is concerned by the breaker of a `target`, and what else they could ask.",
    "POST /console/breaker": "Holds a breaker open, or closes it.",
    "GET /console/evals/calibration": "How far each judge agrees with people, whether it may decide, and what to do if not.",
    "GET /console/evals/label/{run}/{metric}": "The next answer to label, without score and arm; or the `answer` to a `case`.",
    "POST /console/evals/label/{run}/{metric}": "Keeps a label, skips an answer, or takes the last label back.",
    "GET /console/alerts": "Alerts by state, rule, severity and tenant, and the routes that are told.",
    "GET /console/alerts/{id}": "One alert: what explains it, who was told, what can be done.",
    "POST /console/alerts/{id}/silence": "Tells nobody of an alert for a while.",
    "POST /console/alerts/{id}/tell": "Ends the silence of an alert.",
    "POST /console/alerts/routes/{name}/test": "Sends a route a message that says it is a test.",
    "GET /console/reconcile": "The ledger against the bills of providers, by day.",
    "GET /console/reconcile/adjustments/{id}": "Asks for the reason of booking a proposed line.",
    "POST /console/reconcile/adjustments/{id}": "Books a line that was proposed.",
    "GET /console/costs": "What days cost, by `tenant` and `by` group: a `month`, or the days `from` and `to`; budgets, forecast, open alerts.",
    "GET /console/evals": "Evaluation runs, newest first, by `suite`, `prompt` and `verdict`, and the scores of a suite over its runs.",
    "GET /console/evals/compare": "The candidates of two runs, `a` and `b`, case by case; with `tests=yes`, intervals and tests, which take seconds.",
    "GET /console/evals/{run}": "One run: verdict, metrics, what became worse side by side, and its cases page by page, by `show`; with `case`, one of them.",
    "GET /console/costs.csv": "The same as CSV, whole; `by` may name several groups, as `day,feature`.",
    "GET /console/tenants/{id}": "One tenant: its month by day and feature, budgets, alerts, closed bills and switches.",
    "GET /console/tenants": "Tenants with their limits, traffic and kill switch.",
    "GET /console/tenants/{id}/suspend": "Asks for the reason of a suspension.",
    "POST /console/tenants/{id}/suspend": "Suspends a tenant.",
    "GET /console/tenants/{id}/throttle": "Asks for the rate and reason of a throttle.",
    "POST /console/tenants/{id}/throttle": "Slows a tenant down.",
    "GET /console/tenants/{id}/resume": "Asks for the reason of a resumption.",
    "POST /console/tenants/{id}/resume": "Resumes a tenant.",
    "GET /console/site/suspend": "Asks for the reason of a suspension of every tenant.",
    "POST /console/site/suspend": "Suspends every tenant.",
    "GET /console/site/resume": "Asks for the reason of the resumption.",
    "POST /console/site/resume": "Lets every tenant in again that is not suspended itself.",
    "GET /console/keys": "Keys with their tenant, expiry, last use and kill switch.",
    "GET /console/keys/new": "Asks what a new key is for.",
    "POST /console/keys/new": "Makes a key, and shows it this once.",
    "GET /console/keys/{id}/rotate": "Asks how long the text before stays good.",
    "POST /console/keys/{id}/rotate": "Gives a key a new text, and shows it this once.",
    "GET /console/keys/{id}/revoke": "Asks for the reason of a revocation.",
    "POST /console/keys/{id}/revoke": "Revokes a key.",
    "GET /console/keys/{id}/suspend": "Asks for the reason of a suspension.",
    "POST /console/keys/{id}/suspend": "Suspends a key.",
    "GET /console/keys/{id}/resume": "Asks for the reason of a resumption.",
    "POST /console/keys/{id}/resume": "Resumes a key.",
    "GET /console/erasures": "What was erased on request, with receipts.",
    "POST /console/erasures": "Order an erasure, its name typed once more.",
    "GET /console/audit": "Who read content, or the list of keys.",
    "GET /console/changes": "The change log.",
    "GET /console/changes/{seq}": "One change, before and after.",
    "POST /console/changes/{seq}/undo": "Appends the inverse of a change.",
}

RIGHTS = {
    "read": "See figures, requests without their content, tenants and changes.",
    "draft": "Prepare changes; no route asks for it yet.",
    "operate": "Suspend, slow down, resume and undo; list keys.",
    "administer": "Make, rotate and revoke keys.",
    "content": "Read what people wrote.",
}

SIM_ROUTES = {
    "POST /v1/chat/completions": "OpenAI Chat Completions.",
    "POST /v1/messages": "Anthropic Messages.",
    "POST /v1/messages/count_tokens": "Counts the input tokens of a call; free.",
    "POST /v1/embeddings": "OpenAI Embeddings.",
    "POST /v1/responses": "OpenAI Responses; keeps the latest conversations to go on from.",
    "POST /v1/moderations": "OpenAI Moderations: flags a category if the text names it; free.",
    "POST /v1/billing/meter_events": "Stripe's meter events, taken once each; asks for a key that begins with `sk_`, and knows no customer `cus_nobody`.",
    "GET /v1/models": "The simulator's models, in either form.",
    "GET /v1/organization/usage/completions": "OpenAI's usage of an organization, from the bill; asks for a key that begins with `sk-admin`.",
    "GET /v1/organization/usage/embeddings": "The same of embeddings.",
    "GET /v1/organization/costs": "OpenAI's costs of an organization, in dollars.",
    "GET /v1/organizations/usage_report/messages": "Anthropic's usage report, from the bill; asks for a key that begins with `sk-ant-admin`.",
    "GET /v1/organizations/cost_report": "Anthropic's cost report, in cents.",
    "GET /_sim/bill": "What the simulator billed, by account and model, and its last lines.",
    "GET /_sim/calls": "The last calls it saw, with headers and bodies.",
    "GET /_sim/prices": "Its prices, in the form of `prices.overrides`.",
    "GET /_sim/faults": "The rules in force, and the names of all faults.",
    "PUT /_sim/faults": 'Replaces all rules: `{"faults": ["cut_after:3 rate=0.02"]}`.',
    "GET /_sim/meter": "What meter events add up to, by customer and month, and how many came twice.",
    "PUT /_sim/meter": 'What goes wrong with the next ones, in order: `{"faults": ["refused", "broken", "broken_late", "lost", "silent"]}`. The last three are taken all the same.',
    "POST /_sim/reset": "Forgets bill, calls, caches, conversations and rules.",
}

FAULTS = {
    "status": "Answers with that status.",
    "401": "Answers 401, as with a wrong key.",
    "retry_after": "Answers 429 (or the `status`) with that `retry-after` header.",
    "429_storm": "Answers 429 to every call of the model for so many seconds.",
    "reset": "Resets the connection without an answer.",
    "hang": "Says nothing until the caller is gone; what was read is billed.",
    "slow_headers": "Waits before the status line.",
    "slow_first": "Waits before the first content.",
    "error_after_preamble": "Starts a stream, then sends an error event before any content.",
    "cut_after": "Closes the stream after so many content events.",
    "stall_after": "Falls silent after so many content events.",
    "bad_line": "Puts so many unreadable lines into the stream.",
    "no_done": "Ends the stream without its terminal event.",
    "no_usage": "Leaves usage out.",
    "usage_zero": "Tells a usage of zero.",
    "usage_repeated": "Tells usage more than once.",
    "usage_after_finish": "Tells usage so many seconds after the answer has ended.",
    "usage_string": "Tells usage as text instead of numbers.",
    "args_in_first_delta": "Sends a tool's arguments in the first event of the call.",
    "args_only_in_done": "Sends a tool's arguments in the last event of the call only; of Responses.",
    "refusal": "Refuses to answer, with that finish reason.",
    "empty": "Answers with nothing.",
    "huge": "Answers with so many tokens.",
    "wrong_model": "Names another model in the answer than was asked for.",
}

BILL_FAULTS = {
    "bill_late": "Calls younger than so many hours are not told yet.",
    "bill_revised": "A bucket tells half when it is first asked for, and all of it later.",
    "bill_dropped": "Calls of models with that in their name are never told.",
    "bill_outside": "Tells calls of so many input tokens a day, with the key `elsewhere`.",
    "bill_price": "Multiplies costs.",
    "bill_cents": "Amounts come in the unit of the other provider: cents for dollars, dollars for cents.",
    "bill_string": "Amounts come in the type of the other provider: text for numbers, numbers for text.",
    "bill_alias": "Half the tokens of each model are told under another date.",
    "bill_local_time": "Days begin so many hours earlier than those of UTC.",
    "bill_cut": "A page says that more follows, and not where.",
    "bill_twice": "Each page leads to itself.",
    "bill_empty": "Usage is empty; costs are not.",
    "bill_gap": "The last bucket of each page is missing.",
    "bill_refused": "So many calls are answered 429.",
}

FAULT_OPTIONS = {
    "rate": ("`rate=0.02`", "Share of the calls that are hit; all by default."),
    "model": ("`model=sim/large`", "Only calls of that model."),
    "account": ("`account=KEY`", "Only calls that showed that key."),
    "window": ("`window=10-20`", "Only in those seconds after the rules were set."),
}

SCRIPT = {
    "answer": (
        "`[[sim: answer=Yes, it does]]`",
        "The text of the answer, to the next entry or the end.",
    ),
    "tool": (
        '`[[sim: tool=lookup({"q": 1})]]`',
        "Calls a tool with those arguments; may be given more than once.",
    ),
    "tokens": ("`[[sim: tokens=487]]`", "Makes the text exactly that long."),
}

LATENCIES = {
    "instant": "As fast as it can.",
    "chatgpt-like": "First token after about 0.45 s, then one about every 18 ms.",
    "slow": "First token after about 3 s, then one about every 90 ms.",
    "cold": "First token after about 9 s, then one about every 30 ms.",
}

PRICE_MEMBERS = {
    "input": "USD per million input tokens that are not cached.",
    "cache_read": "USD per million tokens read from the cache.",
    "cache_write_5m": "USD per million tokens written to the cache for 5 minutes.",
    "cache_write_30m": "USD per million tokens written to the cache for 30 minutes.",
    "cache_write_1h": "USD per million tokens written to the cache for 1 hour.",
    "cache_write_12h": "USD per million tokens written to the cache for 12 hours.",
    "output": "USD per million output tokens, reasoning included.",
    "input_audio": "USD per million input tokens of audio.",
    "cache_read_audio": "USD per million cached tokens of audio.",
    "output_audio": "USD per million output tokens of audio.",
    "web_search": "USD for each web search.",
    "request": "USD for each request.",
    "discount": "Share taken off the list price, as `12%` or `0.12`; alone, without prices.",
    "multiplier": "What the list price is multiplied by, as `1.1`; alone, without prices.",
    "from": "First day it holds, UTC, as `2027-01-01`.",
    "to": "First day it no longer holds, UTC.",
    "context": "Kind of service it prices, such as `{service_tier: priority}`; the ordinary one by default.",
}

RECORD_STATUSES = {
    "ok": "Answered.",
    "error": "The provider or Trimtab failed.",
    "blocked": "A guard blocked it; not used yet.",
    "rejected": "Refused before any provider was asked.",
    "cancelled": "The caller hung up.",
    "truncated": "The stream was cut after its first content.",
    "lost": "The worker died before it wrote how the request ended.",
}
