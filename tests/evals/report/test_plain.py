import pytest

from trimtab.evals.report.plain import code, fenced, one_line, plain, shortened


def test_what_a_terminal_obeys_is_taken_out_and_lines_stay() -> None:
    assert plain("a\x1b[31m\nb\tc\x00\u202ed\r\n") == "a\ufffd[31m\nb\tc\ufffd\ufffdd\n"
    assert plain("naïve – 日本 😀") == "naïve – 日本 😀"  # noqa: RUF001


def test_one_line_is_one_and_short() -> None:
    assert one_line(" a\n b\tc ") == "a b c"
    assert one_line("x" * 200, 10) == "x" * 9 + "…"


def test_what_is_cut_says_how_much() -> None:
    assert shortened("x" * 12, 10) == "x" * 10 + "… (2 more characters)"
    assert shortened("x" * 10, 10) == "x" * 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a", "`a`", id="plain"),
        pytest.param("a`b", "`a'b`", id="tick"),
        pytest.param("a\\|b", "`a\\¦b`", id="pipe behind a backslash"),
        pytest.param("a\nb", "`a b`", id="lines"),
        pytest.param(" ", "`-`", id="nothing"),
    ],
)
def test_a_code_span_is_not_left(text: str, expected: str) -> None:
    assert code(text) == expected


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    assert fenced("a", 10) == "```\na\n```"
    assert fenced("```\n`````", 20).splitlines()[0] == "``````"
    assert fenced("x" * 20, 5).splitlines()[1] == "xxxxx… (15 more characters)"
