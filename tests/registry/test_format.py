from pathlib import Path
from string import Template
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.registry.conftest import variable

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import Content, Engine, Message, ModelChoice, Role, Variable
from trimtab.domain.rendering import PURE_ENGINES, compile_version
from trimtab.registry.format import check_version, read_file, write_file

SEED = Path(__file__).parent / "seed" / "rag-answer.v3.yaml"
HEAD = "name: a\nversion: 1.0.0\n"
TWICE = ", ".join(["{type: function, function: {name: b}}"] * 2)
BAD_TOOL = "{type: function, function: {name: b, parameters: {type: x}}}"


def faults(text: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as refused:
        read_file(text, "a.prompt.yaml")
    return [it.removeprefix("a.prompt.yaml:") for it in str(refused.value).split("\n")]


def test_the_seeds_file_loads_as_it_is() -> None:
    file = read_file(SEED.read_text(), "rag-answer.v3.yaml")

    version = file.published_as(file.content)

    assert version.ref == "rag-answer@3.2.0"
    assert version.hash == "74b300726fa80858713a9fec0857104ba05bbf59c350b6d89c7e5e5cee505a5d"
    assert version.short_hash == "74b300726fa8"
    assert version.prompt_id == "f53726208f30"
    assert (version.owner, version.model_hint) == ("search-team", "claude-sonnet-4-6")
    assert version.file == SEED.read_text()
    assert version.read() == file.content


def test_the_seeds_file_renders_as_the_seed_did() -> None:
    file = read_file(SEED.read_text(), "rag-answer.v3.yaml")
    values = {"question": "Why $5?", "context": "[doc-1] $question", "persona": "clerk"}

    rendered = compile_version(file.published_as(file.content), PURE_ENGINES).render(values)

    (said,) = rendered.messages
    text = msgspec.to_builtins(file.content)["template"]
    assert (said.role, said.content) == (Role.USER, Template(text).safe_substitute(values))


def test_reads_everything_a_file_may_say() -> None:
    file = read_file(
        """\
schema: 1
name: rag-answer
version: 3.3.0-rc.1
description: " Answer. "
owner: search-team
model_hint: claude
required_vars: [question]
optional_vars: [persona, tone]
defaults: {persona: clerk}
variables:
  question: {type: string, minLength: 1, x-trust: user}
  docs: {type: array, x-required: false}
  size: {type: integer, default: 3}
  mark: {type: boolean, x-required: true}
engine: template
messages:
  - {role: system, content: "You are a $persona. ${policy}"}
  - {placeholder: history}
  - role: user
    content: $question
model: {id: answers, params: {temperature: 0}}
tools: [{type: function, function: {name: weather, parameters: {type: object}}}]
output_schema: {type: object}
partials: {policy: safety@2.1.0}
evals: [a.yaml]
labels_policy: {production: {requires: [eval, review]}}
x-origin: elsewhere
""",
        "a.yaml",
    )

    text = {"type": "string"}
    assert file.content == Content(
        messages=(
            Message(role=Role.SYSTEM, content="You are a $persona. ${policy}"),
            Message(placeholder="history"),
            Message(role=Role.USER, content="$question"),
        ),
        variables={
            "question": Variable(
                required=True, json_schema={**text, "minLength": 1, "x-trust": "user"}
            ),
            "persona": Variable(required=False, json_schema=text, default="clerk"),
            "tone": Variable(required=False, json_schema=text),
            "docs": Variable(required=False, json_schema={"type": "array"}),
            "size": Variable(
                required=False, json_schema={"type": "integer", "default": 3}, default=3
            ),
            "mark": Variable(required=True, json_schema={"type": "boolean"}),
        },
        model=ModelChoice(id="answers", params={"temperature": 0}),
        tools=(
            {
                "type": "function",
                "function": {"name": "weather", "parameters": {"type": "object"}},
            },
        ),
        output_schema={"type": "object"},
    )
    assert (file.description, file.partials) == ("Answer.", {"policy": "safety@2.1.0"})
    assert (file.evals, file.labels_policy) == (("a.yaml",), {"production": ("eval", "review")})
    assert file.line("messages[1].placeholder") == 18
    assert file.line("messages[2].content") == 20


def test_ends_of_lines_do_not_count() -> None:
    text = SEED.read_text()

    one, other = (read_file(it, "a") for it in (text, text.replace("\n", "\r\n")))

    assert one == other


def test_null_is_not_written() -> None:
    assert read_file(f"{HEAD}template: a\noutput_schema: null\nowner: ~\n", "a").owner == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("a: [", "1: this is no YAML (", id="no YAML"),
        pytest.param("- a", "1: the file is not a map; begin with `name: my-prompt`", id="list"),
        pytest.param("version: 1.0.0\ntemplate: a", "1: 'name' is missing; add it", id="no name"),
        pytest.param("name: a\ntemplate: a", "1: 'version' is missing; add it", id="no version"),
        pytest.param(
            f"{HEAD}template: a\nrequired_var: [a]",
            "4: required_var: is not known here; did you mean 'required_vars'?",
            id="unknown key",
        ),
        pytest.param(
            "name: a\nversion: 3.3\ntemplate: a",
            "2: version: '3.3' is a number; write three numbers, as 1.0.0 (R003)",
            id="version is a number",
        ),
        pytest.param(
            "name: a\nversion: '3.3'\ntemplate: a",
            "2: version: '3.3' is no full version; write three numbers, as 1.0.0 (R003)",
            id="version is short",
        ),
        pytest.param(
            "name: a\nversion: 1.0.0+b\ntemplate: a",
            "2: version: '1.0.0+b' has build metadata, which orders nothing; leave out what"
            " follows + (R003)",
            id="build metadata",
        ),
        pytest.param(
            "version: 1.0.0\nname: Rag\ntemplate: a",
            "2: name: 'Rag' is no name; use a-z, 0-9, '.', '_' and '-'",
            id="name",
        ),
        pytest.param(
            "version: 1.0.0\nname: events\ntemplate: a",
            "2: name: 'events' is reserved, for it is a path of its own; choose another",
            id="name of a route",
        ),
        pytest.param(
            "version: 1.0.0\nname: rag.\ntemplate: a",
            "2: name: 'rag.' is no name; use a-z, 0-9, '.', '_' and '-'",
            id="dot at the end",
        ),
        pytest.param(
            "version: 1.0.0\nname: rag\u2011answer\ntemplate: a",
            "2: name: 'rag\u2011answer' is no name; use a-z, 0-9, '.', '_' and '-'",
            id="look-alike",
        ),
        pytest.param(
            f"{HEAD}schema: 2\ntemplate: a", "3: schema: 2 is not taken; write 1", id="schema"
        ),
        pytest.param(
            f"{HEAD}template: a\nengine: handlebars",
            "4: engine: 'handlebars' is not taken; write template or mustache or jinja",
            id="engine",
        ),
        pytest.param(
            f"{HEAD}template: a\nowner: 5", "4: owner: takes text, got int; write that", id="kind"
        ),
        pytest.param(HEAD, "1: give exactly one of `template` and `messages`", id="no text"),
        pytest.param(
            f"{HEAD}template: a\nmessages: []",
            "1: give exactly one of `template` and `messages`",
            id="two texts",
        ),
        pytest.param(
            f"{HEAD}messages: [{{placeholder: a}}]",
            "3: messages: say nothing; add {role, content}",
            id="nothing said",
        ),
        pytest.param(
            f"{HEAD}messages:\n- {{role: tool, content: a}}",
            "4: messages[0].role: 'tool' is not taken; write system or user or assistant",
            id="role",
        ),
        pytest.param(
            f"{HEAD}messages:\n- {{role: user, contnt: a}}",
            "4: messages[0].contnt: is not known here; remove it",
            id="unknown member",
        ),
        pytest.param(
            f"{HEAD}messages:\n- {{role: user, content: a}}\n- {{role: user}}",
            "5: messages[1]: is either {role, content} or {placeholder}",
            id="half a message",
        ),
        pytest.param(
            f"{HEAD}messages:\n- {{role: user, content: a, placeholder: b}}",
            "4: messages[0]: is either {role, content} or {placeholder}",
            id="message and placeholder",
        ),
        pytest.param(
            f"{HEAD}messages:\n- {{role: user, content: a}}\n- placeholder: a\n- placeholder: b",
            "6: messages[2]: is a second placeholder; callers have one list of messages",
            id="two placeholders",
        ),
        pytest.param(
            f"{HEAD}messages:\n- {{role: user, content: a}}\n- placeholder: a b",
            "5: messages[1].placeholder: 'a b' is no name; use letters, digits and '_'",
            id="name of a placeholder",
        ),
        pytest.param(
            f"{HEAD}messages: [{', '.join(['{role: user, content: a}'] * 65)}]",
            "3: messages: are more than 64; say it in fewer",
            id="many messages",
        ),
        pytest.param(
            f"{HEAD}template: a\nrequired_vars: [{', '.join(f'a{it}' for it in range(129))}]",
            "1: variables: are more than 128; take lists or objects",
            id="many variables",
        ),
        pytest.param(
            f"{HEAD}template: a\nrequired_vars: [a-b]",
            "1: 'a-b' is no name of a variable; use letters, digits and '_'",
            id="name of a variable",
        ),
        pytest.param(
            f"{HEAD}template: a\nrequired_vars: [b]\npartials: {{b: c@1.0.0}}",
            "5: partials.b: is a variable, too; rename one of them",
            id="variable and partial",
        ),
        pytest.param(
            f"{HEAD}template: a\nrequired_vars: [b]\noptional_vars: [b]",
            "5: optional_vars: 'b' is in required_vars, too; keep one",
            id="required and optional",
        ),
        pytest.param(
            f"{HEAD}template: a\ndefaults: {{b: c}}",
            "4: defaults.b: is no variable; add it, or remove its default",
            id="default of nothing",
        ),
        pytest.param(
            f"{HEAD}template: a\nrequired_vars: [b]\ndefaults: {{b: c}}",
            "5: defaults.b: is required and so has no default; keep one",
            id="default of what is required",
        ),
        pytest.param(
            f"{HEAD}template: a\nrequired_vars: [b]\nvariables:\n  b: {{default: c}}",
            "6: variables.b.default: is required and so has no default; keep one",
            id="default in a schema of what is required",
        ),
        pytest.param(
            f"{HEAD}template: a\nvariables:\n  b: {{default: c, x-required: true}}",
            "5: variables.b.default: is required and so has no default; keep one",
            id="default of what is marked required",
        ),
        pytest.param(
            f"{HEAD}template: a\nvariables:\n  b: {{default: c}}\ndefaults: {{b: d}}",
            "6: defaults.b: has a default in variables, too; keep one",
            id="two defaults",
        ),
        pytest.param(
            f"{HEAD}template: a\nrequired_vars: [b]\nvariables:\n  b: {{x-required: false}}",
            "6: variables.b: is required above, and x-required is false; keep one",
            id="required and not",
        ),
        pytest.param(
            f"{HEAD}template: a\noptional_vars: [b]\nvariables:\n  b: {{x-required: true}}",
            "6: variables.b: is optional above, and x-required is true; keep one",
            id="optional and not",
        ),
        pytest.param(
            f"{HEAD}template: a\nvariables:\n  b:\n    x-trust: usr",
            "6: variables.b.x-trust: is none of author, user, retrieved; write one of them",
            id="trust",
        ),
        pytest.param(
            f"{HEAD}template: a\nvariables:\n  b:\n    x-trust: [user]",
            "6: variables.b.x-trust: is none of author, user, retrieved; write one of them",
            id="trust in a list",
        ),
        pytest.param(
            f"{HEAD}template: a\nvariables:\n  b:\n    x-fence: yes",
            "6: variables.b.x-fence: is neither true nor false; write one of them",
            id="fence",
        ),
        pytest.param(
            f"{HEAD}template: a\nvariables:\n  b:\n    x-required: 1",
            "6: variables.b.x-required: is neither true nor false; write one of them",
            id="mark of what is required",
        ),
        pytest.param(
            f"{HEAD}template: a\nvariables:\n  b: {{type: text}}",
            "5: variables.b: has no good JSON Schema: ",
            id="schema of a variable",
        ),
        pytest.param(
            f"{HEAD}template: a\nvariables:\n  b: {{type: string, minLength: -1}}",
            "5: variables.b: has no good JSON Schema: it is less than the minimum of 0; fix it",
            id="length in a schema",
        ),
        pytest.param(
            f"{HEAD}template: a\nvariables:\n  b: {{$ref: 'https://a.example/b'}}",
            "5: variables.b: has no good JSON Schema: ",
            id="schema elsewhere",
        ),
        pytest.param(
            f"{HEAD}template: a\nvariables:\n  b: {{type: string, default: 5}}",
            "5: variables.b: variable 'b' must be text",
            id="default of no schema",
        ),
        pytest.param(
            f"{HEAD}engine: mustache\nmessages:\n- {{role: user, content: '{{{{#a}}}}'}}",
            "5: messages[0]: a mustache section is not closed (",
            id="text of no grammar",
        ),
        pytest.param(
            f"{HEAD}template: a\nmodel:\n  params: {{temprature: 1}}",
            "5: model.params.temprature: is not taken; did you mean 'temperature'?",
            id="parameter",
        ),
        pytest.param(
            f"{HEAD}template: a\nmodel:\n  params: {{seed: 9007199254740993}}",
            "4: model: a value cannot be written as JSON exactly; use text, and numbers below 2^53",
            id="large number",
        ),
        pytest.param(
            f'{HEAD}template: "a\\ud800"',
            "3: template: a value cannot be written as JSON exactly; use text, and numbers below",
            id="half a character",
        ),
        pytest.param(
            f"{HEAD}template: a\ntools:\n- {{type: function, function: {{}}}}",
            "5: tools[0]: is no function; write {type: function, function: {name: ...}}",
            id="tool without a name",
        ),
        pytest.param(
            f"{HEAD}template: a\ntools:\n- &a {{type: function, function: {{name: b}}}}",
            "5: tools[0]: anchor '&a' is not taken; remove it",
            id="anchor",
        ),
        pytest.param(
            f"{HEAD}template: a\ntools: [{TWICE}]",
            "4: tools[1]: 'b' is there twice; rename one of them",
            id="tool twice",
        ),
        pytest.param(
            f"{HEAD}template: a\ntools: [{BAD_TOOL}]",
            "4: tools[0]: has no good JSON Schema: ",
            id="parameters of a tool",
        ),
        pytest.param(
            f"{HEAD}template: a\noutput_schema: {{type: x}}",
            "4: output_schema: has no good JSON Schema: ",
            id="schema of the answer",
        ),
        pytest.param(
            f"{HEAD}template: a\nlabels_policy:\n  latest: {{requires: [eval]}}",
            "5: labels_policy.latest: is no label; use a-z, 0-9 and '-', and not 'latest'",
            id="label",
        ),
        pytest.param(
            f"{HEAD}template: a\nlabels_policy: {{production: {{requires: [luck]}}}}",
            "4: labels_policy[0]: 'luck' is not taken; write eval or review",
            id="requirement",
        ),
        pytest.param(
            f"{HEAD}template: {'a' * 2**20}",
            " has more than 1048576 bytes; split the prompt",
            id="large",
        ),
        pytest.param(
            f"{HEAD}template: a\nx-a: {'[' * 500}",
            "4: more than 64 lists and maps in each other; flatten it",
            id="deep",
        ),
    ],
)
def test_every_fault_has_its_line_and_a_remedy(text: str, fault: str) -> None:
    (told,) = faults(text)

    assert told.startswith(fault)


def test_tells_all_faults_at_once() -> None:
    text = "name: A\nversion: 1.0\nowner: a\ntemplate: a\nmessages: []\n"

    assert faults(text.replace("1.0", "'1.0'")) == [
        "1: give exactly one of `template` and `messages`",
        "1: name: 'A' is no name; use a-z, 0-9, '.', '_' and '-'",
        "2: version: '1.0' is no full version; write three numbers, as 1.0.0 (R003)",
    ]


@pytest.mark.parametrize(
    "text", ["1.0.0\n", " 1.0.0", "1.0.\u0661", "\uff11.0.0", "01.0.0", "v1.0.0", "1.0.0-01", "1"]
)
def test_numbers_that_look_like_versions_are_none(text: str) -> None:
    assert check_version(text) is not None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda it: not 2**53 < abs(it) < 1e21)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
TEXTS = (
    st.text()
    | st.text("a \n\t\r#:'\"{}$-|>&*!%@`\\\x85\u2028é")
    | st.sampled_from(
        [
            "1_000",
            "1e5",
            "0x1F",
            "012",
            ".5",
            "+1",
            "yes",
            "null",
            "~",
            "TRUE",
            "<<",
            "2020-01-01",
            "=",
            "",
        ]
    )
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True)
SCHEMAS = st.fixed_dictionaries({}, optional={"title": TEXTS, "const": JSON, "x-note": JSON})


@st.composite
def variables(draw: st.DrawFn) -> Variable:
    kind = draw(st.sampled_from(["required", "optional", "with a default"]))
    if kind == "with a default":
        return Variable(required=False, json_schema={"title": draw(TEXTS)}, default=draw(JSON))
    return Variable(required=kind == "required", json_schema=draw(SCHEMAS))


@st.composite
def contents(draw: st.DrawFn) -> Content:
    messages = st.builds(Message, role=st.sampled_from(Role), content=TEXTS)
    is_text = draw(st.booleans())
    function = {"name": draw(st.text()), "description": draw(TEXTS)}
    return Content(
        engine=draw(st.sampled_from([Engine.TEMPLATE, Engine.JINJA])),
        template=draw(TEXTS) if is_text else None,
        messages=() if is_text else tuple(draw(st.lists(messages, min_size=1, max_size=3))),
        variables=draw(st.dictionaries(NAMES, variables(), max_size=3)),
        model=ModelChoice(id=draw(st.text()), params={"stop": draw(JSON)}),
        tools=({"type": "function", "function": function},),
        output_schema=draw(st.none() | SCHEMAS),
    )


@settings(max_examples=50)
@given(content=contents())
def test_what_is_written_is_read_again(content: Content) -> None:
    read = read_file(write_file("a", "1.0.0", content), "a").content

    assert read.canonical() == content.canonical()


@pytest.mark.parametrize(
    "text", ["1_000", "-.5e3", "1e5", "012", "null", "~", "TRUE", "<<", "=", ""]
)
def test_a_text_that_looks_like_something_else_stays_one(text: str) -> None:
    file = write_file(
        "a", "1.0.0", Content(template=text, variables={"a": variable({"const": text})})
    )

    found = read_file(file, "a").content

    assert (found.template, found.variables["a"].json_schema) == (text, {"const": text})


def test_a_default_is_written_once() -> None:
    size = Variable(required=False, json_schema={"type": "integer", "default": 3}, default=3)
    tone = Variable(required=False, json_schema={"type": "string"}, default="dry")

    text = write_file("a", "1.0.0", Content(template="a", variables={"size": size, "tone": tone}))

    assert text.count("default: 3") == 1
    assert "defaults:\n  tone: dry" in text
    assert "size: 3" not in text


def test_writes_what_stands_beside_the_content() -> None:
    meta: dict[str, Any] = {"owner": "search", "description": "Greets.", "evals": ["a.yaml"]}

    file = read_file(write_file("a", "1.0.0", Content(template="Hi,\nyou"), meta=meta), "a")

    assert (file.owner, file.description, file.evals) == ("search", "Greets.", ("a.yaml",))
    assert "template: |-\n  Hi,\n  you" in file.text
