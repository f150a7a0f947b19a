from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from tests.evals.report.hostile import LONG, hostile
from tests.evals.runs import even, run, tagged, worse

from trimtab.evals.judgement import judged
from trimtab.evals.report.markdown import (
    MOST_BYTES,
    PromptChange,
    no_change,
    section,
    summary,
)
from trimtab.evals.result import Run, Subject

OURS = ("<details><summary>", "</details>")


def told(made: Run, most: int = MOST_BYTES) -> str:
    return section(judged(made, {}), no_change, most)


def inline(text: str) -> Iterator[Token]:
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        yield token
        yield from token.children or ()


def test_a_comment_tells_verdict_table_and_worst_cases() -> None:
    text = told(worse(300, 30))

    assert text.startswith("## FAIL `rag-golden`\n")
    assert "`rag-answer@3.3.0` against `rag-answer@3.2.0 (production)`, 300 cases" in text
    assert "| `exact_match` | 1.000 | .900 | -.100 | [-.139,-.068] | &lt;.001 |" in text
    assert "Decided by `exact_match`." in text
    assert "<details><summary>Worst 5 cases</summary>" in text
    assert "`q-0000` `exact_match` 1.00 → .00" in text
    assert "candidate:\n\n```\ncandidate says 0\n```" in text
    assert "`judge $0.41 (cache 94%) candidate $1.20 3 min 12 s`" in text


def test_a_pass_has_no_worst_cases() -> None:
    text = told(even())

    assert text.startswith("## PASS `rag-golden`\n")
    assert "<details>" not in text


@pytest.mark.parametrize(
    ("enough", "expected"), [(True, "`3.2.0 -> 3.3.0`."), (False, "too small")]
)
def test_the_change_of_the_prompt_is_told_with_the_bump_it_asks_for(
    enough: bool,  # noqa: FBT001
    expected: str,
) -> None:
    asked = list[tuple[Subject, Subject]]()

    def change(before: Subject, after: Subject) -> PromptChange:
        asked.append((before, after))
        return PromptChange(
            required="minor",
            declared="3.2.0 -> 3.3.0",
            enough=enough,
            lines=("text  ~ [-Cite-] {+```@everyone+}",),
        )

    made = even()
    text = section(judged(made, {}), change)

    assert asked == [(made.baseline, made.candidate)]
    assert "asks for a `minor` bump" in text
    assert expected in text
    assert "````\ntext  ~ [-Cite-] {+```@everyone+}\n````" in text


def test_nothing_that_is_not_ours_is_more_than_text() -> None:
    text = told(hostile())

    tokens = list(inline(text))
    for token in tokens:
        if token.type in ("html_block", "html_inline"):
            assert token.content.startswith(OURS)
        elif token.type == "text":
            assert not any(it in token.content for it in ("@", "http", "::", "everyone"))
        assert token.type not in ("link_open", "image")
    headings = [it for it in tokens if it.type == "heading_open"]
    assert len(headings) == 1
    opened = sum(it.content.count("<details>") for it in tokens if it.type == "html_block")
    closed = sum(it.content.count("</details>") for it in tokens if it.type == "html_block")
    assert (opened, closed) == (1, 1)
    # every row of the table has as many cells as its head
    assert sum(it.type == "td_open" for it in tokens) == sum(it.type == "th_open" for it in tokens)


def test_a_comment_is_never_too_long() -> None:
    text = told(hostile())

    assert len(text.encode()) <= MOST_BYTES
    assert "more characters)" in text
    for most in (20_000, 3_000, 500):
        assert len(told(hostile(), most).encode()) <= most


def test_many_lines_are_counted_instead_of_shown() -> None:
    floors = {str(at): 0.5 for at in range(60)}
    made = tagged(
        run({"exact_match": [0.0] * 60}, metrics={"exact_match": {"floors": floors}}),
        {name: [int(name)] for name in floors},
    )

    assert "21 lines more, see the HTML report." in told(made)


def test_several_sections_are_one_comment() -> None:
    one = told(even())

    assert summary([one, one]).count("## PASS") == 2
    long = summary([one + LONG, one])
    assert len(long.encode()) <= MOST_BYTES
    assert long.count("## PASS") == 2
