import pytest

from trimtab.cli.output import print_json, print_table


def test_figures_stand_to_the_right_and_words_to_the_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["name", "usd", "share"], [["a", "1,000.5", "9 %"], ["long", "2", "-"]])

    assert capsys.readouterr().out.splitlines() == [
        "name      usd  share",
        "a     1,000.5    9 %",
        "long        2      -",
    ]


def test_a_table_without_rows_is_its_head_or_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["a", "b"], [])
    print_table(["a", "b"], [], empty="nothing yet; do something")

    assert capsys.readouterr().out.splitlines() == ["a  b", "nothing yet; do something"]


def test_json_is_on_many_lines_for_people_and_on_one_for_streams(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_json({"a": 1})
    print_json({"a": 1}, indent=None)

    assert capsys.readouterr().out == '{\n  "a": 1\n}\n{"a":1}\n'
