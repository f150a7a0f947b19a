import pytest
from tests.settings.conftest import Faults, Load

from trimtab.domain.ids import KeyId
from trimtab.domain.model import (
    Fallback,
    ModelKind,
    Provider,
    ProviderWire,
    Retry,
    Share,
    Target,
    Timeouts,
    WhenUntranslatable,
)
from trimtab.domain.tenant import KeyRight
from trimtab.settings import ExporterSettings, UnknownModel

PROVIDER = "version: 1\nproviders:\n  p: {{wire: openai, url: https://example.com/v1, {}}}\n"
MODEL = "version: 1\nproviders: {{p: {{wire: openai, url: https://e.com}}}}\nmodels:\n  m: {{{}}}\n"
APP = "name: app, id: 7hq2m9xkd4wp, sha256: env:H"
KEYS = """version: 1
tiers: {t: {}}
tenants: {acme: {tier: t}}
keys:
"""
HASH = "0123456789abcdef" * 4


def test_only_version_1_is_known(faults: Faults) -> None:
    assert faults("version: 2\n") == [
        "trimtab.yaml:1: version: only version 1 is known; write `version: 1`"
    ]


@pytest.mark.parametrize("section", ["policies", "budgets", "redis"])
def test_sections_of_features_that_do_not_exist_are_unknown(faults: Faults, section: str) -> None:
    (fault,) = faults(f"version: 1\n{section}: {{}}\n")

    assert fault.startswith(f"trimtab.yaml:2: {section}: is not known here; ")


def test_the_nearest_known_section_is_suggested(faults: Faults) -> None:
    (fault,) = faults("version: 1\nprovider: {}\n")

    assert fault == ("trimtab.yaml:2: provider: is not known here; did you mean 'providers'?")


def test_reads_a_provider(load_text: Load) -> None:
    settings = load_text(
        PROVIDER.format("key: env:KEY, on_client_gone: drain, prices_as: openai, ca_file: ca.pem")
    )

    assert settings.providers["p"] == Provider(
        name="p",
        wire=ProviderWire.OPENAI,
        url="https://example.com/v1",
        key="env:KEY",
        on_client_gone=settings.providers["p"].on_client_gone,
        prices_as="openai",
        ca_file="ca.pem",
    )


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("wire: openai", "", "'url' is missing; add it"),
        (
            "wire: bedrock, url: https://e.com",
            ".wire",
            "write openai | anthropic | caller | litellm",
        ),
        ("wire: openai, url: e.com/v1", ".url", "is no URL; write it as https://"),
        ("wire: openai, url: ftp://e.com", ".url", "is no URL"),
        ("wire: openai, url: 'https://e.com:x'", ".url", "is no URL"),
        ("wire: openai, url: 'https://e.com?a=b'", ".url", "has no '?' and no '#'"),
        ("wire: openai, url: http://127.0.0.1:1", ".url", "add `allow_private_network: true`"),
        ("wire: openai, url: http://10.1.2.3", ".url", "add `allow_private_network: true`"),
        ("wire: openai, url: http://localhost:1", ".url", "add `allow_private_network: true`"),
        ("wire: openai, url: https://e.com, key: hunter2", ".key", "must be a reference"),
        ("wire: openai, url: https://e.com, keys: none", ".keys", "did you mean 'key'?"),
    ],
)
def test_says_what_is_wrong_with_a_provider(faults: Faults, text: str, at: str, says: str) -> None:
    (fault,) = faults(f"version: 1\nproviders:\n  p: {{{text}}}\n")

    assert fault.startswith(f"trimtab.yaml:3: providers.p{at}: ")
    assert says in fault
    assert "hunter2" not in fault


def test_reads_how_often_a_model_is_tried_and_what_it_falls_back_to(load_text: Load) -> None:
    settings = load_text(
        MODEL.format(
            "kind: alias, to: p/a,"
            " retry: {per_target: 3, in_all: 6, when: [503, connect], wait_at_most: 2s},"
            " fallback: {when_error: [p/b], when_rate_limited: [], when_context_too_long: [p/c]}"
        )
    )

    model = settings.models["m"]
    assert model.retry == Retry(per_target=3, in_all=6, when=("connect", "503"), wait_at_most=2.0)
    assert model.fallback == Fallback(
        when_error=("p/b",), when_rate_limited=(), when_context_too_long=("p/c",)
    )


def test_reads_targets_with_weights(load_text: Load) -> None:
    model = load_text(MODEL.format("kind: alias, to: {p/a: 10, p/b: 90}")).models["m"]

    assert model.to == Target("p", "b")
    assert model.shares == (Share(Target("p", "a"), 10), Share(Target("p", "b"), 90))


def test_every_target_of_a_freezer_is_dated(faults: Faults) -> None:
    found = faults(MODEL.format("kind: freezer, to: {p/m-2026-01-15: 1, p/m: 1}"))

    assert any("'m' has no date" in it for it in found)


def test_a_freezer_falls_back_to_freezers_only(faults: Faults) -> None:
    found = faults(
        MODEL.format("kind: freezer, to: p/m-2026-01-15, fallback: {when_error: [p/other]}")
    )

    assert any("'p/other' is none" in it for it in found)


def test_reads_several_credentials_that_take_turns(load_text: Load) -> None:
    text = "version: 1\nproviders: {{p: {{wire: openai, url: https://e.com, key: {}}}}}\n"

    provider = load_text(text.format("[env:A, env:B]")).providers["p"]

    assert provider.keys == ("env:A", "env:B")


def test_reads_an_alias_with_timeouts(load_text: Load) -> None:
    settings = load_text(MODEL.format("kind: alias, to: p/a/b, timeouts: {total: 2m}"))

    model = settings.models["m"]
    assert (model.kind, model.to) == (ModelKind.ALIAS, Target("p", "a/b"))
    assert model.timeouts == Timeouts(total=120.0)


@pytest.mark.parametrize(
    "target", ["p/large-2026-01-15", "p/claude-sonnet-4-5-20250929", "p/20260115-large"]
)
def test_a_freezer_is_pinned_to_a_dated_model(load_text: Load, target: str) -> None:
    assert load_text(MODEL.format(f"kind: freezer, to: {target}")).models["m"].to.provider == "p"


@pytest.mark.parametrize("target", ["p/large", "p/gpt-4.1", "p/large-2026-13-15", "p/x-120260115"])
def test_a_freezer_without_a_date_is_refused(faults: Faults, target: str) -> None:
    (fault,) = faults(MODEL.format(f"kind: freezer, to: {target}"))

    assert fault.startswith("trimtab.yaml:4: models.m.to: a freezer is pinned to a dated model")
    assert fault.endswith("or say why not in `undated_ok`")


def test_a_freezer_may_say_why_its_model_has_no_date(load_text: Load) -> None:
    members = "kind: freezer, to: p/embed, undated_ok: none exists, review_by: 2026-12-31"
    model = load_text(MODEL.format(members)).models["m"]

    assert (model.undated_ok, model.review_by) == ("none exists", "2026-12-31")


def test_a_model_may_let_go_of_what_cannot_be_translated(load_text: Load) -> None:
    lenient = load_text(MODEL.format("kind: alias, to: p/m, when_untranslatable: drop"))
    strict = load_text(MODEL.format("kind: alias, to: p/m"))

    assert lenient.models["m"].when_untranslatable is WhenUntranslatable.DROP
    assert strict.models["m"].when_untranslatable is WhenUntranslatable.REFUSE


@pytest.mark.parametrize(
    ("members", "at", "says"),
    [
        ("kind: direct, to: p/m", ".kind", "write alias | freezer"),
        (
            "kind: alias, to: p/m, when_untranslatable: maybe",
            ".when_untranslatable",
            "write refuse | drop",
        ),
        ("kind: alias", "", "'to' is missing"),
        ("kind: alias, to: large", ".to", "'large' is no target; write provider/model"),
        ("kind: alias, to: p/", ".to", "is no target"),
        ("kind: alias, to: p/m, review_by: 2026-12-31", ".review_by", "is for freezers"),
        ("kind: alias, to: p/m, undated_ok: x", ".undated_ok", "is for freezers"),
        ("kind: freezer, to: p/m-2026-01-15, review_by: soon", ".review_by", "'soon' is no date"),
        ("kind: freezer, to: p/m, undated_ok: ''", ".undated_ok", "is empty"),
        ("kind: alias, to: p/m, timeouts: {total: 2}", ".timeouts.total", "is no duration"),
        ("kind: alias, to: p/m, retry: {per_target: 11}", ".retry.per_target", "11 is above 10"),
        ("kind: alias, to: p/m, retry: {in_all: 0}", ".retry.in_all", "at least 1"),
        ("kind: alias, to: p/m, retry: {when: [404]}", ".retry.when", "'404' is never tried"),
        (
            "kind: alias, to: p/m, retry: {wait_at_most: 1h}",
            ".retry.wait_at_most",
            "longer than 120 s",
        ),
        ("kind: alias, to: p/m, fallback: {when: [m]}", ".fallback.when", "is not known here"),
        ("kind: alias, to: {p/a: 1.5}", ".to", "'1.5' is no weight"),
        ("kind: alias, to: {p/a: 0}", ".to", "no weight above 0"),
        ("kind: alias, to: {large: 1}", ".to", "'large' is no target"),
    ],
)
def test_says_what_is_wrong_with_a_model(faults: Faults, members: str, at: str, says: str) -> None:
    found = faults(MODEL.format(members))

    assert any(f.startswith(f"trimtab.yaml:4: models.m{at}: ") and says in f for f in found)


@pytest.mark.parametrize("section", ["providers", "models", "tiers", "tenants"])
def test_a_name_that_is_none_is_refused(faults: Faults, section: str) -> None:
    (fault,) = faults(f"version: 1\n{section}:\n  'a b': {{}}\n")

    assert fault.startswith(f"trimtab.yaml:3: {section}.a b: 'a b' is no name")


def test_of_the_systems_own_tenants_the_file_has_the_one_that_pays_for_evaluations(
    load_text: Load, faults: Faults
) -> None:
    ours = "version: 1\ntiers: {t: {}}\ntenants:\n  trimtab-eval: {tier: t}\n"

    assert list(load_text(ours).tenants) == ["trimtab-eval"]
    (fault,) = faults(ours.replace("-eval", "-shadow"))

    assert "tenants of 'trimtab-' are the system's own; choose another name" in fault


def test_reads_a_key_by_its_hash(load_text: Load) -> None:
    settings = load_text(
        KEYS + "  - {name: app, tenant: acme, id: 7hq2m9xkd4wp, sha256: env:H,"
        " models: [], expires: 2027-01-31}\n",
        {"H": HASH.upper()},
    )

    key = settings.keys[KeyId("7hq2m9xkd4wp")]
    assert (key.name, key.tenant, key.sha256, key.models) == ("app", "acme", HASH, ())
    # It works on the whole of its last day, UTC.
    assert key.expires_us == 1_801_440_000_000_000


@pytest.mark.parametrize(
    ("key", "at", "says"),
    [
        ("name: app, tenant: acme, sha256: env:H", "", "'id' is missing"),
        ("name: app, tenant: acme, id: short, sha256: env:H", ".id", "is no key id"),
        (
            "name: app, tenant: acme, id: 7hq2m9xkd4wp, sha256: env:NONE",
            ".sha256",
            "environment variable 'NONE' is not set",
        ),
        (
            "name: app, tenant: acme, id: 7hq2m9xkd4wp, sha256: env:SHORT",
            ".sha256",
            "what 'env:SHORT' leads to is no SHA-256",
        ),
        ("name: A B, tenant: acme, id: 7hq2m9xkd4wp, sha256: env:H", ".name", "is no name"),
        (f"{APP}, tenant: acme, may: [fly]", ".may[0]", "is not taken; write evals"),
        (f"{APP}, tenant: acme, may: evals", ".may", "is not a list"),
        (f"{APP}, act_for: acme", ".act_for", "is not a list"),
        (f"{APP}, act_for: [globex]", ".act_for[0]", "tenant 'globex' is not in the file"),
        (
            f"{APP}, act_for: '*', new_tenant_tier: gold",
            ".new_tenant_tier",
            "tier 'gold' is not in the file",
        ),
        (APP, "", "name one of the two"),
        (f"{APP}, tenant: acme, act_for: [acme]", "", "name one of the two"),
        (f"{APP}, tenant: acme, new_tenant_tier: t", "", "add `act_for`"),
    ],
)
def test_says_what_is_wrong_with_a_key(faults: Faults, key: str, at: str, says: str) -> None:
    (fault,) = faults(f"{KEYS}  - {{{key}}}\n", {"H": HASH, "SHORT": "deadbeef"})

    assert fault.startswith(f"trimtab.yaml:5: keys[0]{at}: ")
    assert says in fault
    assert "deadbeef" not in fault


def test_reads_a_key_that_acts_for_many(load_text: Load) -> None:
    settings = load_text(
        f"{KEYS}  - {{{APP}, act_for: '*', new_tenant_tier: t, may: [evals, replay, evals]}}\n",
        {"H": HASH},
    )

    key = settings.keys[KeyId("7hq2m9xkd4wp")]
    assert (key.tenant, key.act_for, key.new_tenant_tier) == (None, ("*",), "t")
    assert key.may == (KeyRight.EVALS, KeyRight.REPLAY)


def test_a_key_may_act_for_tenants_that_it_makes(load_text: Load) -> None:
    line = f"  - {{{APP}, act_for: [acme, globex], new_tenant_tier: t}}\n"

    settings = load_text(KEYS + line, {"H": HASH})

    assert settings.keys[KeyId("7hq2m9xkd4wp")].act_for == ("acme", "globex")


def test_two_keys_of_one_id_are_refused_and_two_of_one_name_are_not(faults: Faults) -> None:
    line = "  - {{name: app, tenant: acme, id: {}, sha256: env:H}}\n"

    found = faults(
        KEYS + "".join(line.format(i) for i in ("a" * 12, "b" * 12, "a" * 12)), {"H": HASH}
    )

    assert len(found) == 1
    assert found[0].startswith("trimtab.yaml:7: keys[2].id: 'aaaaaaaaaaaa' is given twice")


def test_reads_prices(load_text: Load) -> None:
    prices = load_text(
        "version: 1\nprices: {unknown_model: meter_unknown, overrides:"
        " {sim/*: {input: 0.15, output: 3}, 'a/b': {discount: 12%}}}\n"
    ).prices

    assert prices.unknown_model is UnknownModel.METER_UNKNOWN
    assert prices.overrides == {
        "sim/*": {"input": 0.15, "output": 3},
        "a/b": {"discount": "12%"},
    }


@pytest.mark.parametrize(
    "entry", ["{}", "{input: free}", "{inptu: 3}", "{input: -1}", "5", "{input: 3, discount: 1%}"]
)
def test_says_which_price_cannot_be_read(faults: Faults, entry: str) -> None:
    (fault,) = faults(f"version: 1\nprices:\n  overrides:\n    sim/*: {entry}\n")

    assert fault.startswith("trimtab.yaml:4: prices.overrides.sim/*: price override 'sim/*' ")


def test_reads_exporters(load_text: Load) -> None:
    settings = load_text(
        "version: 1\ntelemetry:\n  exporters:\n    - {endpoint: http://127.0.0.1:4318}\n"
        "    - {name: honeycomb, endpoint: https://api.honeycomb.io/, content: none,"
        " headers: {x-honeycomb-team: env:KEY}}\nlog_line: {stdout: true}\n"
    )

    assert settings.telemetry.exporters == (
        ExporterSettings(name="otlp", endpoint="http://127.0.0.1:4318"),
        ExporterSettings(
            name="honeycomb",
            endpoint="https://api.honeycomb.io",
            headers={"x-honeycomb-team": "env:KEY"},
        ),
    )
    assert settings.log_to_stdout


@pytest.mark.parametrize(
    ("exporter", "at", "says"),
    [
        ("name: a", "", "'endpoint' is missing"),
        ("endpoint: https://e.com, content: span", ".content", "'span' is not taken; write none"),
        ("endpoint: https://e.com, headers: {x: y}", ".headers.x", "must be a reference"),
        ("endpoint: https://e.com, headers: {'a b': env:K}", ".headers.a b", "is no name"),
    ],
)
def test_says_what_is_wrong_with_an_exporter(
    faults: Faults, exporter: str, at: str, says: str
) -> None:
    (fault,) = faults(f"version: 1\ntelemetry:\n  exporters:\n    - {{{exporter}}}\n")

    assert fault.startswith(f"trimtab.yaml:4: telemetry.exporters[0]{at}: ")
    assert says in fault


def test_two_exporters_need_two_names(faults: Faults) -> None:
    (fault,) = faults(
        "version: 1\ntelemetry: {exporters: [{endpoint: https://a.com}, {endpoint: https://b.com}]}"
    )

    assert "two exporters are called 'otlp'; name them" in fault


@pytest.mark.parametrize("section", ["providers", "models", "tiers", "tenants", "gateway"])
def test_a_section_that_is_a_list_is_refused(faults: Faults, section: str) -> None:
    (fault,) = faults(f"version: 1\n{section}: []\n")

    assert fault.startswith(f"trimtab.yaml:2: {section}: is not a map; ")


@pytest.mark.parametrize(
    ("text", "path"),
    [("keys: {}", "keys"), ("telemetry: {exporters: {}}", "telemetry.exporters")],
)
def test_a_section_that_is_a_map_where_a_list_stands_is_refused(
    faults: Faults, text: str, path: str
) -> None:
    (fault,) = faults(f"version: 1\n{text}\n")

    assert fault.startswith(f"trimtab.yaml:2: {path}: is not a list; ")
