from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from semver import Version
from tests.registry.conftest import TEXT, published, said, variable

from trimtab.domain.errors import BumpTooSmall
from trimtab.domain.prompt import Content, Engine, ModelChoice, Role
from trimtab.registry.semver import Bump, check_bump, next_free, required_between, required_bump

NONE, PATCH, MINOR, MAJOR = Bump

LONG = {"type": "string", "maxLength": 200_000}
TOOL = {"type": "object", "properties": {"city": TEXT}, "required": ["city"]}
ANSWER = {"type": "object", "properties": {"text": TEXT}, "required": ["text"]}
ASKED = (
    "You are a kind assistant of our shop. Answer the question of the customer in a few short"
    " sentences, with the name of the product, and thank them for the visit.\n\n$question"
)


def tool(name: str = "weather", parameters: object = TOOL, **members: object) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters, **members}}


BASE = Content(
    messages=said(("system", "Be kind."), ("placeholder", "history"), ("user", ASKED)),
    variables={"question": variable(LONG), "persona": variable(default="clerk")},
    model=ModelChoice(id="answers", params={"temperature": 0}),
    tools=(tool(),),
    output_schema=ANSWER,
)


def after(**members: object) -> Content:
    return replace(BASE, **members)


def with_variables(**variables: object) -> Content:
    kept = {name: it for name, it in {**BASE.variables, **variables}.items() if it is not None}
    return after(variables=kept)


def asking(text: str) -> Content:
    return after(messages=(*BASE.messages[:2], *said(("user", text))))


def changed(old: str, new: str) -> Content:
    assert old in ASKED
    return asking(ASKED.replace(old, new))


@pytest.mark.parametrize(
    ("content", "bump", "reason"),
    [
        pytest.param(BASE, NONE, "", id="nothing"),
        # Shape.
        pytest.param(
            with_variables(city=variable()), MAJOR, "city added: without a default", id="required"
        ),
        pytest.param(
            with_variables(city=variable(required=False)),
            MAJOR,
            "city added: without a default",
            id="optional one that nobody gives",
        ),
        pytest.param(with_variables(persona=None), MAJOR, "persona removed", id="removed"),
        pytest.param(
            with_variables(persona=None, role=variable(default="clerk")),
            MAJOR,
            "persona removed",
            id="renamed",
        ),
        pytest.param(
            with_variables(persona=variable()), MAJOR, "persona became required", id="to required"
        ),
        pytest.param(
            with_variables(persona=variable(required=False)),
            MAJOR,
            "persona lost its default",
            id="default gone",
        ),
        pytest.param(
            with_variables(question=variable({**LONG, "maxLength": 1000})),
            MAJOR,
            "question narrowed: maxLength 1000 (was 200000)",
            id="narrowed",
        ),
        pytest.param(
            with_variables(persona=variable({**TEXT, "pattern": "^[a-z]+$"}, default="clerk")),
            MAJOR,
            "persona narrowed: pattern ^[a-z]+$ (was not there)",
            id="narrowed by something else",
        ),
        pytest.param(
            after(messages=(), template=ASKED), MAJOR, "kind changed: is one text now", id="kind"
        ),
        pytest.param(
            after(messages=said(("system", "Be kind."), ("user", ASKED))),
            MAJOR,
            "placeholder changed: none (was history)",
            id="placeholder",
        ),
        # What comes back.
        pytest.param(
            after(output_schema={**ANSWER, "properties": {"text": {**TEXT, "maxLength": 9}}}),
            MAJOR,
            "output_schema changed: properties.text.maxLength 9 (was unlimited)",
            id="output narrowed",
        ),
        pytest.param(
            after(output_schema={**ANSWER, "properties": {"text": {}}}),
            MAJOR,
            "output_schema changed: properties.text.type not there (was string)",
            id="output with values that nobody knows",
        ),
        pytest.param(
            after(output_schema={"type": "object", "properties": {}}),
            MAJOR,
            "output_schema changed",
            id="output field removed",
        ),
        pytest.param(after(output_schema=None), MAJOR, "output_schema removed", id="no output"),
        pytest.param(after(tools=()), MAJOR, "tool weather removed", id="tool removed"),
        pytest.param(
            after(tools=(tool(parameters={**TOOL, "properties": {"city": {"enum": ["Rome"]}}}),)),
            MAJOR,
            "tool weather parameters changed",
            id="tool parameters narrowed",
        ),
        pytest.param(
            after(tools=(tool(parameters={**TOOL, "properties": {}, "required": []}),)),
            MAJOR,
            "tool weather parameters changed",
            id="tool parameter removed",
        ),
        # Behaviour.
        pytest.param(
            with_variables(city=variable(default="Rome")), MINOR, "city added", id="optional added"
        ),
        pytest.param(
            with_variables(question=variable(LONG, required=False)),
            MINOR,
            "question became optional",
            id="to optional",
        ),
        pytest.param(
            with_variables(question=variable()),
            MINOR,
            "question widened: maxLength unlimited (was 200000)",
            id="widened",
        ),
        pytest.param(
            with_variables(persona=variable(default="poet")),
            MINOR,
            "persona has another default",
            id="default",
        ),
        pytest.param(
            after(
                output_schema={
                    **ANSWER,
                    "properties": {"text": TEXT, "source": TEXT},
                    "required": ["text", "source"],
                }
            ),
            MINOR,
            "output_schema has more fields",
            id="output field added",
        ),
        pytest.param(
            after(output_schema={**ANSWER, "description": "In verse."}),
            MINOR,
            "output_schema described otherwise",
            id="output described",
        ),
        pytest.param(
            after(tools=(tool(), tool("time"))), MINOR, "tool time added", id="tool added"
        ),
        pytest.param(
            after(tools=(tool(description="Ask it often."),)),
            MINOR,
            "tool weather described otherwise",
            id="tool described",
        ),
        pytest.param(
            after(model=ModelChoice(id="answers", params={"temperature": 1})),
            MINOR,
            'model changed: answers {"temperature":1} (was answers {"temperature":0})',
            id="model",
        ),
        pytest.param(
            after(engine=Engine.JINJA), MINOR, "engine changed: jinja (was template)", id="engine"
        ),
        pytest.param(
            after(messages=(*BASE.messages, *said(("assistant", "Well,")))),
            MINOR,
            "messages added, removed or moved",
            id="message added",
        ),
        pytest.param(
            after(messages=BASE.messages[1:]),
            MINOR,
            "messages added, removed or moved",
            id="message removed",
        ),
        pytest.param(
            after(messages=BASE.messages[1:] + BASE.messages[:1]),
            MINOR,
            "messages added, removed or moved",
            id="message moved",
        ),
        pytest.param(
            after(messages=(replace(BASE.messages[0], role=Role.USER), *BASE.messages[1:])),
            MINOR,
            "messages added, removed or moved: user, placeholder, user (was system, placeholder,"
            " user)",
            id="role",
        ),
        pytest.param(
            with_variables(question=variable({**LONG, "x-trust": "user"})),
            MINOR,
            "question x-trust: user (was author)",
            id="trust mark",
        ),
        pytest.param(
            with_variables(question=variable({**LONG, "x-fence": True})),
            MINOR,
            "question x-fence: on",
            id="fence",
        ),
        # Texts.
        pytest.param(
            changed("with the name", "without the name"),
            MINOR,
            "messages[2] instructs otherwise: +without",
            id="instruction",
        ),
        pytest.param(
            changed("a few", "3"), MINOR, "messages[2] instructs otherwise: +3", id="digit"
        ),
        pytest.param(
            changed("\n\n$question", "\n"),
            MINOR,
            "messages[2] instructs otherwise: -$question",
            id="variable not said",
        ),
        pytest.param(
            changed("You are a", "You\u200b are a"),
            MINOR,
            r"messages[2] instructs otherwise: +\u200b",
            id="what nobody sees",
        ),
        pytest.param(
            changed("kind assistant of our shop", "merry seller in that store"),
            MINOR,
            "messages[2] reworded: 5 of 32 words",
            id="many words",
        ),
        pytest.param(
            changed("kind assistant", "friendly helper"),
            PATCH,
            "messages[2] reworded a little: 2 of 32 words",
            id="few words",
        ),
        pytest.param(
            changed("shop. Answer", "shop!  answer"),
            PATCH,
            "messages[2] reworded a little: 0 of 32 words",
            id="space, sign and case",
        ),
        pytest.param(
            with_variables(question=variable({**LONG, "description": "Of a customer"})),
            PATCH,
            "written in other words",
            id="description of a variable",
        ),
    ],
)
def test_a_change_asks_for_the_bump_of_what_it_may_break(
    content: Content, bump: Bump, reason: str
) -> None:
    required = required_bump(BASE, content)

    assert required.bump is bump
    assert str(required).startswith(reason)


def test_from_three_words_in_twenty_on_a_text_is_another() -> None:
    words = [f"{letter}{letter}" for letter in "abcdefghijklmnopqrst"]
    two, three = ("xx xx", "xx xx xx")

    texts = [" ".join(words), " ".join([two, *words[2:]]), " ".join([three, *words[3:]])]
    before, little, much = (Content(template=it) for it in texts)

    assert required_bump(before, little).bump is PATCH
    assert required_bump(before, much).bump is MINOR


def test_tells_every_change_the_largest_first() -> None:
    content = replace(with_variables(persona=None), engine=Engine.JINJA)

    assert [str(it) for it in required_bump(BASE, content).reasons] == [
        "persona removed",
        "engine changed: jinja (was template)",
    ]


def test_another_partial_is_a_minor_whatever_it_says() -> None:
    before, later = (
        published("1.0.0", "Be kind.", file=f"name: a\npartials: {{policy: safety@{number}}}\n")
        for number in ("1.0.0", "1.0.1")
    )

    (reason,) = required_between(before, later).reasons
    assert (reason.bump, str(reason)) == (
        MINOR,
        "partial policy changed: safety@1.0.1 (was safety@1.0.0)",
    )


SAME = "Greet the guest kindly, please, and ask for the name."
OTHER = "Never greet the guest."


@pytest.mark.parametrize(
    ("numbers", "number", "text"),
    [
        pytest.param([], "7.3.1-rc.1", OTHER, id="first of its name"),
        pytest.param(["1.0.0"], "1.0.1", SAME, id="same text"),
        pytest.param(["1.0.0"], "1.1.0", OTHER, id="minor"),
        pytest.param(["1.0.0"], "2.0.0", OTHER, id="more than asked for"),
        pytest.param(["1.0.0"], "1.0.0", OTHER, id="its own number, which is another's business"),
        pytest.param(["1.0.0", "1.1.0"], "1.0.1", SAME, id="patch below a later version"),
        pytest.param(["1.0.0", "2.0.0"], "1.1.0", OTHER, id="minor of an older major"),
        pytest.param(["1.0.0"], "1.1.0-rc.1", OTHER, id="pre-release"),
        pytest.param(["1.0.0-rc.1"], "1.0.0", OTHER, id="release of a pre-release"),
        pytest.param(["1.0.0", "2.0.0-rc.1"], "1.1.0", OTHER, id="minor below a pre-release"),
    ],
)
def test_takes_a_number_that_keeps_its_word(numbers: list[str], number: str, text: str) -> None:
    check_bump(published(number, text), [published(it, SAME) for it in numbers])


@pytest.mark.parametrize(
    ("numbers", "number", "text", "told"),
    [
        pytest.param(
            ["1.0.0", "1.0.1"],
            "1.0.2",
            OTHER,
            "'greeting@1.0.2' is a patch after 1.0.1, and its change is minor: text instructs"
            " otherwise: +Never; take 1.1.0",
            id="minor",
        ),
        pytest.param(
            ["0.1.0"],
            "0.1.1",
            OTHER,
            "'greeting@0.1.1' is a patch after 0.1.0, and its change is minor: text instructs"
            " otherwise: +Never; take 0.2.0",
            id="no leniency below 1.0.0",
        ),
        pytest.param(
            ["1.0.0", "1.1.0", "1.0.1"],
            "1.0.2-rc.1",
            OTHER,
            "'greeting@1.0.2-rc.1' is a patch after 1.0.1, and its change is minor: text instructs"
            " otherwise: +Never; take 1.2.0",
            id="the next free minor is above all of its major",
        ),
        pytest.param(
            ["1.0.0", "1.2.0"],
            "1.1.0",
            SAME,
            "'greeting@1.1.0' is a minor below 1.2.0, which may not keep what it adds; take 1.0.1",
            id="minor in between",
        ),
        pytest.param(
            ["1.0.0", "3.0.0"],
            "2.0.0",
            OTHER,
            "'greeting@2.0.0' is a major below 3.0.0, which may not keep what it adds; take 1.1.0",
            id="major in between",
        ),
        pytest.param(
            ["2.0.0", "3.0.0-rc.1"],
            "1.0.0",
            SAME,
            "'greeting@1.0.0' is below every published release; take 3.0.0",
            id="below all",
        ),
    ],
)
def test_refuses_a_number_that_does_not(
    numbers: list[str], number: str, text: str, told: str
) -> None:
    with pytest.raises(BumpTooSmall) as refused:
        check_bump(published(number, text), [published(it, SAME) for it in numbers])

    assert str(refused.value) == told


def test_is_measured_by_the_highest_release_below() -> None:
    versions = [
        published("1.9.0", OTHER),
        published("1.10.0", SAME),
        published("1.10.1-rc.1", OTHER),
        published("2.0.0", OTHER),
    ]

    assert check_bump(published("1.10.1", SAME.replace("kindly", "warmly")), versions).bump is PATCH


@pytest.mark.parametrize(("bump", "number"), [(PATCH, "1.0.2"), (MINOR, "1.3.0"), (MAJOR, "3.0.0")])
def test_the_next_free_number_is_nobodys(bump: Bump, number: str) -> None:
    known = [*map(Version.parse, ("1.0.0", "1.0.1", "1.2.0", "2.0.0", "3.0.0-rc.1"))]

    assert str(next_free(bump, known[0], known)) == number


MAJORS = {
    "required added": with_variables(city=variable()),
    "removed": with_variables(persona=None),
    "required": with_variables(persona=variable()),
    "narrowed": with_variables(question=variable({**LONG, "minLength": 1})),
    "kind": after(messages=(), template=ASKED),
    "output": after(output_schema={"type": "array"}),
    "tools": after(tools=()),
}
MINORS = {
    "optional added": with_variables(city=variable(default="Rome")),
    "optional": with_variables(question=variable(LONG, required=False)),
    "widened": with_variables(question=variable()),
    "default": with_variables(persona=variable(default="poet")),
    "model": after(model=None),
    "messages": after(messages=BASE.messages[1:]),
    "trust": with_variables(question=variable({**LONG, "x-trust": "user"})),
    "text": changed("few", "2"),
}


def _both(one: Content, other: Content) -> Content:
    """Make both changes; where they meet, the first wins."""
    fields = (it for it in Content.__struct_fields__ if getattr(one, it) == getattr(BASE, it))
    return replace(one, **{it: getattr(other, it) for it in fields})


@given(
    content=st.sampled_from([*MAJORS.values()]),
    others=st.lists(st.sampled_from([*MAJORS.values(), *MINORS.values()]), max_size=3),
)
def test_nothing_else_makes_a_major_less(content: Content, others: list[Content]) -> None:
    for other in others:
        content = _both(content, other)

    assert required_bump(BASE, content).bump is MAJOR


@given(st.lists(st.sampled_from([*MINORS.values()]), min_size=1, max_size=4))
def test_minors_together_are_a_minor_at_least(contents: list[Content]) -> None:
    content = contents[0]
    for other in contents[1:]:
        content = _both(content, other)

    assert required_bump(BASE, content).bump is MINOR


PLAIN = st.sampled_from(["kind", "guest", "Greet", "please", ",", ".", "not", "json", "3", "$a"])


@given(before=st.lists(PLAIN, max_size=30), later=st.lists(PLAIN, max_size=30))
def test_a_patch_has_every_instruction_and_most_words(before: list[str], later: list[str]) -> None:
    old, new = (Content(template=" ".join(it)) for it in (before, later))

    if required_bump(old, new).bump < MINOR:
        said_before, said_after = (
            [it for it in side if it in ("not", "json", "3", "$a")] for side in (before, later)
        )
        assert said_before == said_after
