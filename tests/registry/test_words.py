from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.registry.words import Hunk, hunks, tokens

WORDS = st.lists(st.sampled_from("abc"), max_size=12)


@given(text=st.text())
def test_the_tokens_of_a_text_are_the_text(text: str) -> None:
    assert "".join(it.text for it in tokens(text)) == text


@pytest.mark.parametrize(
    ("text", "instructing"),
    [
        pytest.param("Answer politely, please.", [], id="plain words"),
        pytest.param("You MUST not stop", ["MUST", "not"], id="words that instruct"),
        pytest.param("Don\u2019t say it isn't", ["Don\u2019t", "isn't"], id="short for not"),
        pytest.param("two 2 h2o", ["2", "h2o"], id="digits"),
        pytest.param("see https://a.example/b?c now", ["https://a.example/b?c"], id="address"),
        pytest.param("# Rules\n\n  - be kind\n", ["#", "-"], id="heading and list"),
        pytest.param('say "I do not know" or `N/A`', ['"I do not know"', "`N/A`"], id="quoted"),
        pytest.param("the user's dogs' toys", [], id="apostrophes quote nothing"),
        pytest.param(
            "a $b ${c} {{d}} {% if e %}", ["$b", "${c}", "{{d}}", "{% if e %}"], id="slot"
        ),
        pytest.param("<doc>x</doc>", ["<doc>", "</doc>"], id="tags"),
        pytest.param("a\u200bb", ["\u200b"], id="what nobody sees"),
        pytest.param("as JSON", ["JSON"], id="format"),
    ],
)
def test_tells_what_instructs_a_model(text: str, instructing: list[str]) -> None:
    assert [it.text.strip() for it in tokens(text) if it.instructs] == instructing


@pytest.mark.parametrize("piece", ["a.", "“", "{{", "'", "<a", "`", "$", "#", " ", "1)"])
def test_splits_a_mebibyte_of_anything_in_one_look(piece: str) -> None:
    text = piece * 30_000

    assert len(tokens(text)) <= len(text)


@given(before=WORDS, after=WORDS)
def test_the_hunks_are_all_that_differs(before: list[str], after: list[str]) -> None:
    found = hunks(before, after)

    built, at = list[str](), 0
    for it in found:
        built += before[at : it.start] + after[it.new_start : it.new_end]
        at = it.end
    assert built + before[at:] == after
    assert all(
        one.end < other.start or one.new_end < other.new_start for one, other in pairwise(found)
    )


@given(before=WORDS, after=WORDS)
def test_as_few_words_are_taken_out_and_put_in_as_can_be(
    before: list[str], after: list[str]
) -> None:
    moved = sum(it.end - it.start + it.new_end - it.new_start for it in hunks(before, after))

    assert moved == len(before) + len(after) - 2 * _longest_common(before, after)


def test_texts_that_differ_too_much_are_one_difference_in_bounded_time() -> None:
    before, after = ["a", "b", "c"] * 60_000, ["b", "c", "d"] * 60_000

    assert hunks(["x", *before], ["x", *after]) == [Hunk(1, 180_001, 1, 180_001)]


def _longest_common(before: list[str], after: list[str]) -> int:
    lengths = [0] * (len(after) + 1)
    for one in before:
        corner = 0
        for number, other in enumerate(after, 1):
            longest = corner + 1 if one == other else max(lengths[number], lengths[number - 1])
            corner, lengths[number] = lengths[number], longest
    return lengths[-1]
