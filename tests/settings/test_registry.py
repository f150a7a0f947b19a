import pytest
from tests.settings.conftest import Faults, Load

from trimtab.domain.prompt import Cohort, RegistryPolicy, Requirement
from trimtab.settings import WebhookSettings
from trimtab.settings.model import RegistrySettings

DAY_S = 86_400.0
HOOK = "name: ci, url: https://ci.example.com/prompts, secret: env:HOOK"
HERE, THERE = "env:HOOK", "file:hook"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 -- the specification's example


def test_without_the_section_prompts_are_where_they_mostly_are(load_text: Load) -> None:
    registry = load_text("version: 1\n").registry

    assert registry == RegistrySettings()
    assert registry.files == ("prompts/**/*.prompt.yaml", "prompts/**/*.v[0-9]*.yaml")
    assert registry.policy == RegistryPolicy(
        protected={"production": (Requirement.EVAL, Requirement.REVIEW)},
        rollback_window_s=30 * DAY_S,
    )


def test_reads_the_whole_section(load_text: Load) -> None:
    registry = load_text(
        """\
        version: 1
        registry:
          files: [texts/*.yaml]
          require_schemas: true
          rollback_window: 7d
          protected:
            production: {requires: [review]}
            staging: {requires: []}
            canary: {}
          cohorts:
            pilots: [acme, globex]
            staff: [initech]
          webhooks:
            - {name: ci, url: https://ci.example.com/prompts/?from=trimtab, secret: env:HOOK}
            - {name: chat, url: http://10.0.0.7/, secret: file:hook, allow_private_network: true}
        """
    ).registry

    assert registry == RegistrySettings(
        files=("texts/*.yaml",),
        policy=RegistryPolicy(
            protected={"production": (Requirement.REVIEW,), "staging": (), "canary": ()},
            cohorts=(
                Cohort("pilots", frozenset({"acme", "globex"})),
                Cohort("staff", frozenset({"initech"})),
            ),
            rollback_window_s=7 * DAY_S,
            require_schemas=True,
        ),
        webhooks=(
            WebhookSettings(
                name="ci", url="https://ci.example.com/prompts/?from=trimtab", secret=HERE
            ),
            WebhookSettings(
                name="chat", url="http://10.0.0.7/", secret=THERE, allow_private_network=True
            ),
        ),
    )


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("file: [a]", ".file", "did you mean 'files'?"),
        ("files: prompts/*.yaml", ".files", "is not a list; write [a, b]"),
        ("files: [a, a]", ".files", "names something twice; keep one"),
        ("require_schemas: yes", ".require_schemas", "is neither true nor false; write one"),
        ("rollback_window: 12h", ".rollback_window", "is no number of days; write it as 30d"),
        ("protected: [production]", ".protected", "is not a map; write `name: {...}`"),
        ("protected: {Prod: {}}", ".protected.Prod", "'Prod' is no name; use a-z"),
        ("protected: {a: {require: []}}", ".protected.a.require", "did you mean 'requires'?"),
        (
            "protected: {a: {requires: eval}}",
            ".protected.a.requires",
            "is not a list; write [eval, review], or [] for none",
        ),
        (
            "protected: {a: {requires: [eval, luck]}}",
            ".protected.a.requires[1]",
            "'luck' is not taken; write eval | review",
        ),
        ("cohorts: [pilots]", ".cohorts", "is not a map; write `name: {...}`"),
        ("cohorts: {tier-x: [a]}", ".cohorts.tier-x", "are the tiers' own; choose another name"),
        ("cohorts: {pilots: acme}", ".cohorts.pilots", "is not a list; write [a, b]"),
        ("cohorts: {pilots: [acme, acme]}", ".cohorts.pilots", "names something twice; keep one"),
        ("webhooks: {}", ".webhooks", "is not a list; write `- {name: ..., url: https://..."),
    ],
)
def test_says_what_is_wrong_with_the_section(faults: Faults, text: str, at: str, says: str) -> None:
    (fault,) = faults(f"version: 1\nregistry:\n  {text}\n")

    assert fault.startswith(f"trimtab.yaml:3: registry{at}: ")
    assert says in fault


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("url: https://e.com, secret: env:H", "", "'name' is missing; add it"),
        ("name: ci, secret: env:H", "", "'url' is missing; add it"),
        ("name: ci, url: https://e.com", "", "'secret' is missing; add it"),
        (HOOK.replace("ci", "C I", 1), ".name", "'C I' is no name; use lower-case letters"),
        (HOOK + ", retries: 3", ".retries", "is not known here; "),
        (HOOK + ", allow_private_network: 1", ".allow_private_network", "neither true nor false"),
        ("name: ci, url: e.com, secret: env:H", ".url", "is no URL; write it as https://"),
        ("name: ci, url: 'https://u:hunter2@e.com', secret: env:H", ".url", "looks like a secret"),
        ("name: ci, url: 'https://e.com/#a', secret: env:H", ".url", "has no '#'; remove what"),
        ("name: ci, url: http://e.com, secret: env:H", ".url", "is not encrypted; write https://"),
        (
            "name: ci, url: https://10.1.2.3/x, secret: env:H",
            ".url",
            "add `allow_private_network: true`",
        ),
        (
            "name: ci, url: http://localhost:1/x, secret: env:H",
            ".url",
            "add `allow_private_network: true`",
        ),
        ("name: ci, url: https://e.com, secret: hunter2", ".secret", "must be a reference"),
    ],
)
def test_says_what_is_wrong_with_a_webhook(faults: Faults, text: str, at: str, says: str) -> None:
    found = faults(f"version: 1\nregistry:\n  webhooks:\n    - {{{text}}}\n")

    assert any(it.startswith(f"trimtab.yaml:4: registry.webhooks[0]{at}: ") for it in found)
    assert any(says in it for it in found)
    assert not any("hunter2" in it for it in found)


def test_two_webhooks_of_one_name_would_share_a_place(faults: Faults) -> None:
    text = f"version: 1\nregistry:\n  webhooks:\n    - {{{HOOK}}}\n    - {{{HOOK}}}\n"

    assert faults(text) == [
        "trimtab.yaml:5: registry.webhooks[1].name: two webhooks are called 'ci'; rename one"
    ]


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "environment variable 'HOOK' is not set; "),
        ({"HOOK": "hunter2"}, "that is no secret of a webhook; make one with `echo whsec_"),
    ],
)
def test_a_secret_that_is_none_is_noted(
    load_text: Load, environ: dict[str, str], says: str
) -> None:
    settings = load_text(f"version: 1\nregistry:\n  webhooks:\n    - {{{HOOK}}}\n", environ)

    [(path, message)] = settings.unset
    assert path == "registry.webhooks[0].secret"
    assert message.startswith(says)
    assert "hunter2" not in message


def test_a_secret_that_is_there_needs_no_note(load_text: Load) -> None:
    text = f"version: 1\nregistry:\n  webhooks:\n    - {{{HOOK}}}\n"

    assert load_text(text, {"HOOK": SECRET}).unset == ()
