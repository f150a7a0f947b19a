from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.sim.answer import REFUSAL, Answer, Stop, compose
from trimtab.sim.faults import read_faults
from trimtab.sim.models import find
from trimtab.sim.request import Call, Refused, Request, Tool
from trimtab.sim.text import tokens_of

LOOKUP = Tool(
    "lookup",
    {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
)


def _asked(question: str, model: str = "large") -> Request:
    served = find(model)
    assert served is not None
    return Request(served=served, prompt=question, question=question)


def _answer(request: Request, seed: int = 7) -> Answer:
    return compose(request, seed)[0]


def test_the_same_question_has_the_same_answer() -> None:
    assert _answer(_asked("Why?")) == _answer(_asked("Why?"))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: _answer(_asked("Why not?")), id="prompt"),
        pytest.param(lambda: _answer(_asked("Why?", "small")), id="model"),
        pytest.param(lambda: _answer(_asked("Why?"), seed=8), id="seed"),
    ],
)
def test_an_answer_depends_on(other: Callable[[], Answer]) -> None:
    assert other() != _answer(_asked("Why?"))


def test_the_first_of_several_choices_is_the_only_one_of_one() -> None:
    request = replace(_asked("Why?"), choices=3)

    answers = compose(request, 7)

    assert len({answer.text for answer in answers}) == 3
    assert answers[0] == _answer(_asked("Why?"))


def test_a_script_decides_text_calls_and_length() -> None:
    assert _answer(_asked("[[sim: answer=Yes.]]")).text == "Yes."
    assert _answer(_asked("[[sim: tokens=487]]")).tokens == 487
    called = _answer(_asked('[[sim: tool=a({"x":1}), answer=Wait.]]'))
    assert called == Answer("Wait.", Stop.TOOLS, (Call("a", '{"x":1}'),))


def test_a_scripted_tool_is_not_called_again_after_its_result() -> None:
    request = replace(_asked("[[sim: tool=a({})]]"), answered_tools=True)

    answer = _answer(request)

    assert answer.calls == ()
    assert answer.text


@pytest.mark.parametrize("choice", ["", "lookup"])
def test_a_required_tool_is_called_with_arguments_of_its_schema(choice: str) -> None:
    request = replace(_asked("Why?"), tools=(LOOKUP,), must_call=choice)

    [call] = _answer(request).calls

    assert call.name == "lookup"
    assert call.arguments.startswith('{"q":"')


def test_tools_are_not_called_unasked_or_forbidden() -> None:
    offered = replace(_asked("Why?"), tools=(LOOKUP,))
    forbidden = replace(_asked("[[sim: tool=lookup({})]]"), tools=(LOOKUP,), may_call=False)

    assert _answer(offered).calls == ()
    assert _answer(forbidden).calls == ()


def test_a_required_tool_that_is_not_offered_is_refused() -> None:
    with pytest.raises(Refused):
        _answer(replace(_asked("Why?"), tools=(LOOKUP,), must_call="other"))


def test_only_one_tool_is_called_when_parallel_calls_are_forbidden() -> None:
    request = replace(_asked("[[sim: tool=a({}), tool=b({})]]"), parallel=False)

    assert _answer(request).calls == (Call("a", "{}"),)


@given(st.integers(1, 400), st.sampled_from(["large", "reasoner"]))
def test_no_answer_is_longer_than_allowed(most: int, model: str) -> None:
    question = '[[sim: tokens=100, tool=lookup({"query": "a long enough text"})]]'
    whole = _answer(_asked(question, model))

    cut = _answer(replace(_asked(question, model), max_tokens=most))

    # The name of a tool is said whole or not at all.
    assert min(most, whole.tokens) - tokens_of("lookup") < cut.tokens <= most
    assert (cut.stop is Stop.LENGTH) == (most < whole.tokens)
    assert whole.text.startswith(cut.text)


def test_the_earliest_stop_sequence_ends_the_text() -> None:
    request = replace(_asked("[[sim: answer=one two three]]"), stops=(" three", " two"))

    assert _answer(request) == Answer("one", Stop.SEQUENCE, sequence=" two")


def test_the_reasoner_thinks_before_it_answers() -> None:
    answer = _answer(_asked("Why?", "reasoner"))
    low = _answer(replace(_asked("Why?", "reasoner"), effort="low"))
    none = _answer(replace(_asked("Why?", "reasoner"), effort="none"))

    assert answer.tokens == tokens_of(answer.reasoning) + tokens_of(answer.text)
    assert 0 < tokens_of(low.reasoning) < tokens_of(answer.reasoning)
    assert none.reasoning == ""


def test_thinking_keeps_to_its_budget() -> None:
    assert tokens_of(_answer(replace(_asked("Why?"), thinking=9)).reasoning) == 9


@pytest.mark.parametrize(
    ("fault", "text", "stop"),
    [
        pytest.param("refusal", REFUSAL, Stop.REFUSAL, id="refusal"),
        pytest.param("empty", "", Stop.END, id="empty"),
    ],
)
def test_a_fault_decides_the_answer(fault: str, text: str, stop: Stop) -> None:
    assert _answer(replace(_asked("Why?"), faults=read_faults(fault))) == Answer(text, stop)


def test_a_huge_answer_heeds_no_limit() -> None:
    request = replace(_asked("Why?"), faults=read_faults("huge:5000"), max_tokens=3)

    assert _answer(request).tokens == 5_000
