import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.registry.conftest import TEXT, published, said, variable

from trimtab.domain.prompt import Content, Engine, ModelChoice
from trimtab.registry.diff import Change, Piece, compare, lines, pieces

RAG = (
    "You are a $persona. Use ONLY the context.\n"
    "If the context does not contain the answer, say so.\n\n$context\n"
)
BASE = Content(
    template=RAG,
    variables={"persona": variable(default="clerk"), "context": variable()},
    model=ModelChoice(id="answers"),
)


def shown(before: Content, after: Content, number: str = "3.3.0") -> list[str]:
    return list(lines(compare(published("3.2.0", before), published(number, after))))


def test_shows_the_lines_that_changed_and_what_they_ask_for() -> None:
    after = replace(
        BASE,
        template=RAG.replace("so.", "so in one sentence."),
        variables={**BASE.variables, "context": variable({**TEXT, "maxLength": 200_000})},
    )

    assert shown(BASE, after) == [
        "text       ~ If the context does not contain the answer, say so{+ in one sentence+}.",
        "variables  ~ context narrowed: maxLength 200000 (was unlimited)  major",
        "model        unchanged",
        "required bump: major (context narrowed)   declared: 3.3.0   R005 error",
    ]


def test_shows_that_nothing_changed() -> None:
    assert shown(BASE, BASE) == [
        "text         unchanged",
        "variables    unchanged",
        "model        unchanged",
        "required bump: none   declared: 3.3.0",
    ]


def test_shows_messages_that_came_went_moved_and_changed() -> None:
    kept = (("placeholder", "history"), ("user", "Hi."))
    before = said(("system", "Be kind."), *kept, ("user", "Why?"), ("user", "Old."))
    after = said(("user", "Why?"), ("system", "Be very kind."), *kept, ("assistant", "Well,"))

    assert shown(Content(messages=before), Content(messages=after))[:-1] == [
        "[0]        ~ user moved from [3]",
        "[1]        ~ system",
        "           ~ Be {+very +}kind.",
        "[4]        - user",
        "           ~ [-Old.-]",
        "[4]        + assistant",
        "           ~ {+Well,+}",
    ]


def test_shows_a_role_that_changed() -> None:
    before, after = (Content(messages=said((it, "Be kind."))) for it in ("system", "user"))

    assert shown(before, after)[0] == "[0]        ~ user (was system)"


def test_shows_parts_that_were_added_and_removed() -> None:
    tool = {"type": "function", "function": {"name": "weather"}}
    after = replace(
        BASE, engine=Engine.MUSTACHE, model=None, tools=(tool,), output_schema={"type": "object"}
    )

    assert shown(BASE, after)[1:-1] == [
        "kind       ~ engine changed: mustache (was template)  minor",
        "variables    unchanged",
        "model      ~ model changed: none (was answers {})  minor",
        "tools      + tool weather added  minor",
        "output     + output_schema added  major",
    ]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        pytest.param("a b c d", "a x y d", "a [-b c-]{+x y+} d", id="words side by side are one"),
        pytest.param("a b\nc d", "a x\ny d", "a [-b-]{+x+}", id="but not over an end of line"),
        pytest.param("one two", "one  two", "one[- -]{+  +}two", id="space"),
        pytest.param("one two", "one\ntwo", "one[- -]{+\\n+}", id="line that is broken"),
        pytest.param("one\ntwo", "one two", "one[-\\n-]", id="line that is joined"),
        pytest.param("be kind", "be\u202e kind", "be{+\\u202e+} kind", id="what nobody sees"),
        pytest.param(
            "be kind", "be \x1b[2J kind", "be {+\\x1b[2J +}kind", id="what clears a screen"
        ),
    ],
)
def test_marks_words_within_a_line(before: str, after: str, line: str) -> None:
    assert shown(Content(template=before), Content(template=after))[0] == f"text       ~ {line}"


WORDS = st.lists(st.sampled_from(["a", "b", " ", "\n", ".", "$x"])).map("".join)


@given(before=WORDS, after=WORDS)
def test_the_pieces_hold_both_texts(before: str, after: str) -> None:
    found = pieces(before, after)

    assert "".join(it.text for it in found if it.change is not Change.ADDED) == before
    assert "".join(it.text for it in found if it.change is not Change.REMOVED) == after


def test_long_texts_are_compared_in_bounded_time() -> None:
    before, after = "a b c " * 30_000, "b c d " * 30_000

    assert pieces(before, after)[0] == Piece(Change.REMOVED, before[:-1])


@given(
    before=st.lists(
        st.tuples(st.sampled_from(["system", "user"]), st.sampled_from("abc")), max_size=5
    ),
    after=st.lists(
        st.tuples(st.sampled_from(["system", "user"]), st.sampled_from("abc")), max_size=5
    ),
)
def test_every_message_has_one_row(
    before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    one, other = (published("1.0.0", Content(messages=said(*it))) for it in (before, after))

    rows = compare(one, other).rows

    assert sorted(it.before for it in rows if it.before is not None) == list(range(len(before)))
    assert [it.after for it in rows if it.after is not None] == list(range(len(after)))
    assert all(it.changed for it in rows if it.change is not Change.SAME)
