import pytest

from trimtab.sim.request import Call, Refused
from trimtab.sim.script import NOTHING, Script, read_script


def test_a_question_without_a_marker_asks_for_nothing() -> None:
    assert read_script("What is [[this]]?") == NOTHING


def test_all_entries_are_read_in_any_order() -> None:
    asked = 'Please [[sim: tokens=487, answer=yes, or no, tool=lookup({"q": [[1]]}) ]] now'

    script = read_script(asked)

    assert script == Script("yes, or no", (Call("lookup", '{"q": [[1]]}'),), 487)


def test_several_tools_are_several_calls_as_written() -> None:
    script = read_script('[[sim: tool=a({"x":1}), tool=b.c-d(), tool=a({"x" : 2})]]')

    assert script.calls == (Call("a", '{"x":1}'), Call("b.c-d", "{}"), Call("a", '{"x" : 2}'))


def test_an_answer_may_have_lines_and_brackets() -> None:
    assert read_script("[[sim: answer=one [1]\ntwo (2) ]]").answer == "one [1]\ntwo (2)"


@pytest.mark.parametrize(
    "question",
    [
        pytest.param("[[sim: anwser=hello]]", id="unknown entry"),
        pytest.param("[[sim: answer=hello", id="no end"),
        pytest.param("[[sim: tokens=many]]", id="no number"),
        pytest.param("[[sim: tokens=1000001]]", id="too many"),
        pytest.param("[[sim: tool=lookup({q})]]", id="no JSON"),
        pytest.param('[[sim: tool=lookup({"q":1}]]', id="no closing bracket"),
        pytest.param("[[sim: tool=(1)]]", id="no name"),
    ],
)
def test_a_marker_with_a_mistake_is_refused(question: str) -> None:
    with pytest.raises(Refused, match="marker cannot be read"):
        read_script(question)
