import pytest
from openai import OpenAI
from tests.sim.conftest import Sim


def test_what_a_text_names_is_flagged(openai: OpenAI, sim: Sim) -> None:
    answer = openai.moderations.create(
        model="sim/moderation", input=["Kind words", "Plain violence"]
    )

    kind, plain = answer.results
    assert (kind.flagged, plain.flagged) == (False, True)
    assert plain.categories.violence
    assert not plain.categories.hate
    assert plain.category_scores.violence > 0.9 > kind.category_scores.violence
    assert answer.model == "sim/moderation-2026-01-15"
    assert sim.billed() == []


def test_the_parts_of_one_message_are_judged_together(openai: OpenAI) -> None:
    answer = openai.moderations.create(
        model="moderation",
        input=[
            {"type": "text", "text": "So much hate"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ],
    )

    [result] = answer.results
    assert result.categories.hate


@pytest.mark.parametrize(
    ("members", "status"),
    [({"input": ""}, 400), ({"input": []}, 400), ({"input": 1}, 400), ({"model": "large"}, 404)],
)
def test_a_wrong_call_is_refused(sim: Sim, members: dict[str, object], status: int) -> None:
    answer = sim.post("/v1/moderations", {"model": "moderation", "input": "Hi", **members})

    assert answer.status == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
