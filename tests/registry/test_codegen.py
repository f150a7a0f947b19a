"""Generated wrappers. Those in `golden/` are checked by the type checker and linted as our own."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trimtab.domain.errors import PromptVariablesInvalid, SettingsInvalid, VersionCorrupt
from trimtab.domain.prompt import Content, PromptVersion, Variable, digest
from trimtab.domain.rendering import checker
from trimtab.registry.codegen import TAKEN, module, plan
from trimtab.registry.format import read_file
from trimtab.sdk.prompts import PromptVars

GOLDEN = Path(__file__).parent / "golden"

SEED = """\
name: rag-answer
version: 3.2.0
description: Answer a user question using only the provided context. Always cite.
owner: search-team
model_hint: claude-sonnet-4-6
required_vars: [question, context]
optional_vars: [persona]
template: |
  You are a $persona. Use ONLY the context below to answer the user's question.
  If the context does not contain the answer, say so. Cite passages as [doc-id].

  CONTEXT:
  $context

  QUESTION:
  $question
"""

TYPED = """\
name: rag-answer
version: 4.0.0
description: |
  Answer a user question using only the provided context. Always cite, and say "I do not know" where
  the context holds no answer.
required_vars: [question, context]
optional_vars: [persona]
defaults: {persona: concise technical assistant}
variables:
  question: {type: string, minLength: 1, x-trust: user}
  context: {type: string, maxLength: 200000, x-trust: retrieved, x-fence: true}
messages:
- {role: system, content: You are a $persona.}
- {placeholder: history}
- {role: user, content: "$context $question"}
"""

WIDE = r"""
name: 2nd.order_form
version: 1.4.0
variables:
  class: {enum: [economy, business, first], description: Where the passenger sits}
  _secret: {type: string, default: ""}
  str: {type: [string, "null"], default: null}
  model_name: {const: large}
  count: {type: integer, minimum: 1, exclusiveMaximum: 100}
  price: {type: number, minimum: 0.5, default: 9.5}
  urgent: {type: boolean, default: false}
  tags: {type: array, items: {type: string}, maxItems: 5, default: []}
  matrix: {type: array, items: {type: array, items: {type: number}}}
  weights: {type: object, additionalProperties: {type: number}, default: {a: 0.5, b: 1}}
  code: {type: string, pattern: "^[A-Z]{3}\\d+\"'$"}
  either: {anyOf: [{type: integer, minimum: 5}, {type: string, maxLength: 3}]}
  anything: {}
  person:
    type: object
    properties: {name: {type: string}, age: {type: integer, minimum: 0, maximum: 150}}
    required: [name]
    additionalProperties: false
  country: {enum: [Antigua and Barbuda, Bosnia and Herzegovina, Trinidad and Tobago, null]}
  region: {enum: [North and Central America, South America, Europe and the Middle East, Oceania]}
template: |
  $class $_secret $str $model_name $count $price $urgent $tags $matrix $weights $code $either
  $anything $person $country $region
"""


def published(text: str) -> PromptVersion:
    file = read_file(text, "x.prompt.yaml")
    return file.published_as(file.content)


def made(
    name: str,
    number: str = "1.0.0",
    description: str = "",
    variables: dict[str, Variable] | None = None,
) -> PromptVersion:
    content = Content(template="x", variables=variables or {})
    text = content.canonical()
    return PromptVersion(
        name=name,
        version=number,
        hash=digest(text),
        shape_hash=content.shape(),
        content=text,
        file="",
        description=description,
    )


def loaded(text: str, folder: Path) -> ModuleType:
    path = folder / "wrapper.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"wrapper_{digest(text)[:8]}", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def wrapper(text: str, folder: Path) -> Callable[..., PromptVars]:
    (found,) = (
        it
        for name, it in vars(loaded(text, folder)).items()
        if name.endswith("Prompt") and name != "Prompt"
    )
    return found


def test_wrappers_are_as_they_were() -> None:
    """To accept a change: write `files` to `golden/`, and read the difference."""
    files = plan([published(it) for it in (SEED, TYPED, WIDE)], {}).files

    assert files == {it.name: it.read_text() for it in GOLDEN.iterdir() if it.is_file()}


def test_a_folder_that_is_up_to_date_has_nothing_to_do() -> None:
    existing = {it.name: it.read_text() for it in GOLDEN.iterdir() if it.is_file()}

    assert plan([published(it) for it in (SEED, TYPED, WIDE)], existing).differ == []


def test_names_what_differs() -> None:
    existing = dict(plan([published(SEED)], {}).files)
    existing["rag_answer_v3.py"] += "\n"

    assert plan([published(SEED)], existing).differ == ["rag_answer_v3.py"]
    assert plan([published(SEED)], {}).differ == ["__init__.py", "py.typed", "rag_answer_v3.py"]


def test_another_wording_changes_nothing() -> None:
    reworded = SEED.replace("3.2.0", "3.2.1").replace("Use ONLY", "Only use")

    assert plan([published(reworded)], plan([published(SEED)], {}).files).differ == []


def test_a_major_is_made_from_its_highest_version() -> None:
    numbers = ("3.2.0", "3.10.0", "3.9.0", "4.0.0-rc.1", "4.0.0-rc.2", "3.11.0-rc.1")
    versions = [
        made("p", it, variables={f"v{n}": Variable(required=True, json_schema={"type": "string"})})
        for n, it in enumerate(numbers)
    ]

    files = plan(versions, {}).files

    assert "v1: str" in files["p_v3.py"]
    assert "v4: str" in files["p_v4.py"]


def test_a_prompt_with_two_majors_says_which_is_which() -> None:
    init = plan([published(SEED), published(TYPED), made("other")], {}).files["__init__.py"]

    assert '__all__ = ["OtherPrompt", "RagAnswerPromptV3", "RagAnswerPromptV4"]' in init
    assert "from .rag_answer_v3 import RagAnswerPrompt as RagAnswerPromptV3" in init


def test_wrappers_that_were_not_asked_for_stay() -> None:
    existing = {**plan([published(SEED)], {}).files, "mine.py": "class MinePrompt: ...\n"}

    planned = plan([made("other")], existing)

    assert planned.differ == ["__init__.py", "other_v1.py"]
    assert '__all__ = ["OtherPrompt", "RagAnswerPrompt"]' in planned.files["__init__.py"]
    assert "rag_answer_v3.py" not in planned.files


@pytest.mark.parametrize("others", [("a-b", "a.b"), ("a_b", "a-b"), ("foo2b", "foo-2b")])
def test_two_prompts_of_one_name_are_told(others: tuple[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match="would both be"):
        plan([made(it) for it in others], {})


def test_a_version_that_was_tampered_with_makes_no_wrapper() -> None:
    with pytest.raises(VersionCorrupt):
        module(msgspec.structs.replace(published(SEED), hash="0" * 64))


def test_no_field_is_called_what_the_class_has() -> None:
    inherited = {it for it in dir(PromptVars) if not it.startswith(("_", "model_"))}

    assert inherited <= TAKEN


def test_takes_what_the_seed_took(tmp_path: Path) -> None:
    prompt = wrapper(module(published(SEED)), tmp_path)

    asked = prompt(question="Q", context="C", persona="P")

    assert asked.model_dump(by_alias=True) == {"question": "Q", "context": "C", "persona": "P"}
    with pytest.raises(ValidationError):
        prompt(question="Q", context="C")


ORDER = {
    "class_": "first",
    "model_name_": "large",
    "count": 7,
    "matrix": [[1, 0.5]],
    "code": "ABC1\"'",
    "either": 5,
    "anything": None,
    "person": {"name": "Ada"},
    "country": None,
    "region": "Oceania",
}


def test_gives_variables_the_names_the_prompt_has(tmp_path: Path) -> None:
    asked = wrapper(module(published(WIDE)), tmp_path)(**ORDER)

    given_ = asked.model_dump(mode="json", by_alias=True)

    assert given_.keys() == published(WIDE).read().variables.keys()
    assert given_["class"] == "first"
    assert given_["weights"] == {"a": 0.5, "b": 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("class_", "second", id="not among them"),
        pytest.param("model_name_", "small", id="not the one"),
        pytest.param("count", 0, id="too small"),
        pytest.param("count", 100, id="too large"),
        pytest.param("count", "7", id="text for a number"),
        pytest.param("count", True, id="a claim for a number"),
        pytest.param("price", 0.4, id="too cheap"),
        pytest.param("price", float("nan"), id="no number"),
        pytest.param("urgent", 1, id="a number for a claim"),
        pytest.param("tags", ["a"] * 6, id="too many"),
        pytest.param("tags", [1], id="of another kind"),
        pytest.param("matrix", [["1"]], id="deeper"),
        pytest.param("weights", {"a": "1"}, id="a value of another kind"),
        pytest.param("code", "abc", id="another pattern"),
        pytest.param("either", 4, id="neither"),
        pytest.param("person", {"name": "Ada", "age": 200}, id="a member too large"),
        pytest.param("person", {}, id="a member missing"),
        pytest.param("country", "France", id="another country"),
    ],
)
def test_refuses_what_the_prompt_would(field: str, value: object, tmp_path: Path) -> None:
    prompt = wrapper(module(published(WIDE)), tmp_path)

    with pytest.raises(ValidationError, match=field):
        prompt(**{**ORDER, field: value})


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(max_size=90)
    | st.floats(-1e9, 1e9).filter(lambda it: not it.is_integer())
)
KINDS = st.sampled_from(("string", "integer", "number", "boolean", "null", "array", "object"))
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,50}", fullmatch=True) | st.sampled_from(
    ("class", "None", "str", "list", "render", "copy", "Field", "Any", "model_x", "_x", "l", "self")
)


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> object:
    form = draw(st.sampled_from(("scalar", "list", "dict"))) if depth else "scalar"
    match form:
        case "list":
            return draw(st.lists(values(depth - 1), max_size=3))
        case "dict":
            return draw(st.dictionaries(st.text(max_size=30), values(depth - 1), max_size=3))
        case _:
            return draw(SCALARS)


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    kind = draw(KINDS)
    match draw(st.sampled_from(("bounds", "kinds", "enum", "inner", "any"))):
        case "bounds":
            bounds = {
                "minLength": st.integers(0, 3),
                "maximum": st.integers(-5, 5),
                "maxItems": st.integers(0, 3),
                "description": st.text(max_size=120),
                "x-trust": st.just("user"),
            }
            chosen = draw(st.sets(st.sampled_from(sorted(bounds))))
            return {"type": kind, **{name: draw(bounds[name]) for name in sorted(chosen)}}
        case "kinds":
            return {"type": draw(st.lists(KINDS, min_size=1, max_size=3, unique=True))}
        case "enum":
            return {"enum": draw(st.lists(SCALARS, min_size=1, max_size=4, unique_by=repr))}
        case "inner" if depth:
            keyword = draw(st.sampled_from(("items", "additionalProperties", "not")))
            return {"type": kind, keyword: draw(schemas(depth - 1))}
        case _:
            return {}


@st.composite
def versions(draw: st.DrawFn) -> PromptVersion:
    variables: dict[str, Variable] = {}
    for name in draw(st.sets(NAMES, max_size=5)):
        schema, optional = draw(schemas()), draw(st.booleans())
        default = draw(values()) if optional else msgspec.UNSET
        variables[name] = Variable(required=not optional, json_schema=schema, default=default)
    return made("p", "1.0.0", draw(st.text(max_size=200)), variables)


def _many() -> list[str]:
    """Draw wrappers of all kinds, the same in every run."""
    found: list[str] = []

    @settings(max_examples=50)
    @given(versions())
    def draw(version: PromptVersion) -> None:
        found.append(module(version))

    draw()
    return found


HARD = [
    *(f"{'x' * n} say" for n in range(60, 90)),
    *("\u65e5\u672c" * n for n in range(10, 25)),
    *('say "hi"', '"', '"""', "it's", "\\", 'end"\\', "a\u0301" * 40, "\u200b", "\t\n", "{}", "$x"),
]


def test_ruff_leaves_every_wrapper_as_it_is(tmp_path: Path) -> None:
    for number, text in enumerate(_many()):
        (tmp_path / f"m{number}.py").write_text(text, encoding="utf-8")
    for number, text in enumerate(HARD):
        schema = {"enum": [text]}
        hard = made("p", "1.0.0", text, {"x": Variable(required=True, json_schema=schema)})
        (tmp_path / f"hard{number}.py").write_text(module(hard), encoding="utf-8")
    names = ["p", *(f"q{n}" for n in range(12)), "a-very-" + "long-" * 11 + "name"]
    for name, text in plan([made(it) for it in names], {}).files.items():
        (tmp_path / name).write_text(text)

    for command in (["format", "--diff"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(tmp_path)]
        done = subprocess.run(ruff, check=False, capture_output=True, text=True)  # noqa: S603 -- ourselves
        assert done.returncode == 0, done.stdout


@settings(max_examples=20)
@given(schemas(), values())
def test_takes_a_value_only_if_its_schema_does(
    tmp_path_factory: pytest.TempPathFactory, schema: dict[str, Any], value: object
) -> None:
    variable = Variable(required=True, json_schema=schema)
    prompt = wrapper(module(made("p", variables={"x": variable})), tmp_path_factory.getbasetemp())
    try:
        asked = prompt(x=value)
    except ValidationError:
        return

    checker("x", variable)(asked.model_dump(mode="json")["x"])


@settings(max_examples=20)
@given(schemas(), values())
def test_takes_every_value_that_its_schema_does(
    tmp_path_factory: pytest.TempPathFactory, schema: dict[str, Any], value: object
) -> None:
    variable = Variable(required=True, json_schema=schema)
    prompt = wrapper(module(made("p", variables={"x": variable})), tmp_path_factory.getbasetemp())
    try:
        checker("x", variable)(value)
    except PromptVariablesInvalid:
        return

    prompt(x=value)
