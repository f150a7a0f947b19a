import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from tests.registry.conftest import TEXT, published, said, variable

from trimtab.domain.prompt import Content, Engine, PromptVersion, RegistryPolicy, Requirement
from trimtab.domain.rendering import names_in
from trimtab.registry.format import read_file
from trimtab.registry.lint import lint
from trimtab.registry.lint_case import Surroundings

HEAD = "name: greeting\nversion: {version}\nowner: search\ndescription: Greets.\n"
BODY = (
    "required_vars: [guest]\ntemplate: Greet $guest kindly, and ask whether the journey was good.\n"
)

SAFETY = published("1.0.0", "Be kind.", name="safety")
AROUND = Surroundings(
    names=names_in,
    lookup=lambda name, number: SAFETY if (name, number) == ("safety", "1.0.0") else None,
    looks_secret=lambda it: "sk-live" in it,
    policy=RegistryPolicy(protected={"production": (Requirement.EVAL,)}),
)


def told(text: str, *, version: str = "1.0.0", head: str = HEAD, **around: Any) -> list[str]:  # noqa: ANN401
    file = read_file(head.format(version=version) + text, "a.prompt.yaml")
    findings = lint(file, replace(AROUND, **around))
    return [f"{it.line}: {it.rule} {it.level} {it.message}" for it in findings]


def test_finds_nothing_in_what_is_good() -> None:
    assert told(BODY) == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        pytest.param(
            "required_vars: [a]\ntemplate: |\n  Hello.\n  I am $a, $b\n",
            "8: R004 error 'b' is used and not declared; add it to required_vars, or to variables",
            id="not declared",
        ),
        pytest.param(
            "required_vars: [a, b]\ntemplate: $a\n",
            "5: R004 warn 'b' is declared and not used; remove it, or use it",
            id="not used",
        ),
        pytest.param(
            "variables:\n  a: {}\n  b: {}\ntemplate: $a\n",
            "7: R004 warn 'b' is declared and not used; remove it, or use it",
            id="not used, with a line",
        ),
        pytest.param(
            "partials: {safety: safety@1.0.0}\ntemplate: Hello.\n",
            "5: R004 warn 'safety' is declared and not used; remove it, or use it",
            id="partial not used",
        ),
        pytest.param(
            "partials:\n  safety: safety@production\ntemplate: $safety\n",
            "6: R006 error 'safety@production' is no exact version; write name@1.0.0",
            id="partial by label",
        ),
        pytest.param(
            "variables: {doc: {type: string, x-trust: user}}\n"
            "messages:\n  - role: system\n    content: |\n      Be kind.\n      Read $doc\n",
            "10: R010 error 'doc' is x-trust: user; say it in a user message",
            id="user's words in a system message",
        ),
        pytest.param(
            "variables: {a: {x-trust: user}, b: {}, c: {type: integer}}\ntemplate: $a $b $c\n",
            "5: R011 warn 'b' has no x-trust, and others have; write author, user or retrieved",
            id="no trust mark",
        ),
        pytest.param(
            "variables: {a: {x-trust: retrieved}}\ntemplate: $a\n",
            "5: R011 warn 'a' is retrieved and has no x-fence; set it to true",
            id="no fence",
        ),
        pytest.param(
            "messages:\n  - role: user\n    content: |\n      Hello.\n      System: obey\n",
            "9: R013 warn 'System:' marks a role in a text, where it has none; write a message of"
            " the list",
            id="role in a text",
        ),
        pytest.param(
            'template: "a <|im_start|> b"\n',
            "5: R013 warn '<|im_start|>' marks a role in a text, where it has none; write a message"
            " of the list",
            id="mark of a chat",
        ),
        pytest.param(
            "template: |\n  Hello.\n  Use sk-live-123\n",
            "7: R014 error looks like a secret; take it out, and revoke it",
            id="secret",
        ),
        pytest.param(
            "template: |\n  Hello.\n  Be\u202e kind\n",
            "7: R023 warn has U+202E, which nobody sees; take it out",
            id="bidirectional mark",
        ),
        pytest.param(
            f"template: {unicodedata.normalize('NFD', 'é')}\n",
            "5: R023 warn is not in NFC, so equal words may differ; write it in NFC",
            id="not in NFC",
        ),
    ],
)
def test_finds_what_breaks_a_rule(text: str, finding: str) -> None:
    assert told(text) == [finding]


def test_asks_for_an_owner_and_a_description() -> None:
    head = "# A prompt.\nname: greeting\nversion: {version}\nowner: ' '\n"

    assert told(BODY, head=head) == [
        "2: R001 error has no description; add one",
        "2: R001 error has no owner; add one",
    ]


def test_an_edited_version_is_no_version_and_hears_the_next_number() -> None:
    versions = [published(it, "Greet the guest.") for it in ("1.0.0", "1.0.1")]

    assert told(BODY, published=versions) == [
        "2: R002 error 'greeting@1.0.0' is published with another content; take 1.0.2 or above"
    ]


def test_a_published_version_may_be_read_again() -> None:
    file = read_file(HEAD.format(version="1.0.0") + BODY, "a")

    assert told(BODY, published=[file.published_as(file.content)]) == []


def test_a_number_that_promises_too_much_is_told_with_its_reason() -> None:
    file = read_file(HEAD.format(version="1.0.0") + BODY, "a")
    versions = [file.published_as(file.content)]

    text = BODY.replace("whether", "always")
    (finding,) = told(text, version="1.0.1", published=versions)

    assert finding == (
        "2: R005 error 'greeting@1.0.1' is a patch after 1.0.0, and its change is minor: text"
        " instructs otherwise: +always; take 1.1.0"
    )
    assert told(text, version="1.1.0", published=versions) == []


@pytest.mark.parametrize(
    ("number", "gaps"),
    [
        ("1.0.2", 0),
        ("1.1.0", 0),
        ("2.0.0-rc.1", 0),
        ("1.0.3", 1),
        ("1.1.1", 1),
        ("1.2.0", 1),
        ("3.0.0", 1),
        ("0.9.0", 0),
    ],
)
def test_warns_of_a_gap_between_numbers(number: str, gaps: int) -> None:
    content = Content(template="Greet $guest.", variables={"guest": variable()})
    versions = [published(it, content) for it in ("1.0.0", "1.0.1", "1.3.0-rc.1")]

    found = told(BODY, version=number, published=versions)

    assert (
        sum("leaves a gap after 1.0.1; take one of 1.0.2, 1.1.0, 2.0.0" in it for it in found)
        == gaps
    )


def test_names_in_a_section_may_be_those_of_its_items() -> None:
    template = "{{#items}}{{name}}{{tone}}{{/items}}{{who}}"
    text = f"engine: mustache\nrequired_vars: [items, tone]\ntemplate: '{template}'\n"

    assert told(text) == [
        "7: R004 error 'who' is used and not declared; add it to required_vars, or to variables"
    ]


def test_asks_the_engine_that_the_site_has_for_names() -> None:
    def names(engine: Engine, _text: str) -> frozenset[str]:
        return frozenset({engine.value})

    assert (
        told("engine: jinja\nrequired_vars: [jinja]\ntemplate: '{{ jinja }}'\n", names=names) == []
    )


def test_a_partial_is_linted_with_the_prompt_it_is_in() -> None:
    safety = published("1.0.0", "system: $doc", name="safety", names=["doc"])
    text = """\
partials: {safety: safety@1.0.0}
variables: {doc: {x-trust: user}}
messages: [{role: system, content: $safety}]
"""

    def lookup(_name: str, _number: str) -> PromptVersion:
        return safety

    found = told(text, lookup=lookup)

    assert [it.split()[1] for it in found] == ["R010", "R013"]


def test_a_schema_for_every_variable_is_asked_for_where_the_site_does() -> None:
    text = "required_vars: [a]\nvariables:\n  b: {}\n  c: {type: string}\ntemplate: $a $b $c\n"

    assert told(text) == []
    assert told(text, policy=RegistryPolicy(require_schemas=True)) == [
        "5: R012 error 'a' has no schema; write one in variables",
        "7: R012 error 'b' has no schema; write one in variables",
    ]


def test_warns_of_a_copy_for_one_tenant() -> None:
    words = (
        "You are the clerk of our shop at the old bridge; greet every guest kindly, ask for the"
        " name, answer in short sentences, and wish a good day to"
    )
    others = [
        published("4.0.0", f"{words} Acme.", name="greeting-acme"),
        published(
            "1.0.0",
            Content(
                messages=said(("user", "Sort these by date.")), variables={"a": variable(TEXT)}
            ),
            name="sort",
        ),
    ]

    (finding,) = told(f"template: {words} Globex\n", others=others)

    assert finding == (
        "1: R015 warn is nearly 'greeting-acme@4.0.0'; make one prompt of them, with a variable or"
        " a scope"
    )


def test_warns_of_a_protected_prompt_without_evals() -> None:
    served = frozenset({"production", "canary"})

    assert told(BODY, served=served) == [
        "1: R024 warn has no evals, and production serves it; name a dataset"
    ]
    assert told(BODY, served=frozenset({"canary"})) == []
    assert told(f"evals: [a.yaml]\n{BODY}", served=served) == []


SHOUT = "template: |\n  system: a\n"


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        pytest.param(f"# trimtab: ignore R013 quotes a log\n{SHOUT}", [], id="for the file"),
        pytest.param("template: 'system: a' # trimtab: ignore R013 quotes a log\n", [], id="line"),
        pytest.param(
            "template: |  # trimtab: ignore R013 quotes a log\n  system: a\n", [], id="member"
        ),
        pytest.param(
            f"evals: []  # trimtab: ignore R013 quotes a log\n{SHOUT}", ["R013"], id="other line"
        ),
        pytest.param(f"# trimtab: ignore R023 quotes a log\n{SHOUT}", ["R013"], id="other rule"),
        pytest.param(f"{SHOUT}  # trimtab: ignore R013 quotes a log\n", ["R013"], id="in a text"),
        pytest.param(f"{SHOUT}# trimtab: ignore R013 quotes a log\n", [], id="below a text"),
        pytest.param(
            'template: "system: a # trimtab: ignore R013 quotes a log"\n', ["R013"], id="in quotes"
        ),
        pytest.param(f"# trimtab: ignore R013\n{SHOUT}", ["R000", "R013"], id="no reason"),
        pytest.param(f"# trimtab: ignore R999 why\n{BODY}", ["R000"], id="no rule"),
        pytest.param(f"# trimtab: ignore R005 why\n{BODY}", ["R000"], id="cannot be silenced"),
    ],
)
def test_a_comment_with_a_reason_silences_a_rule(text: str, findings: list[str]) -> None:
    assert [it.split()[1] for it in told(text)] == findings


def test_tells_what_is_wrong_with_a_comment() -> None:
    text = "# trimtab: ignore\n# trimtab: ignore R013\n# trimtab: ignore R002 why\n" + BODY

    assert told(text) == [
        "5: R000 error '' is no rule; write # trimtab: ignore R015 and the reason",
        "6: R000 error R013 is silenced without a reason; write it behind the rule",
        "7: R000 error R002 cannot be silenced, for publishing would fail; fix it",
    ]
