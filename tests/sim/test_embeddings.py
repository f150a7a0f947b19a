import pytest
from openai import NotFoundError, OpenAI
from tests.sim.conftest import Sim

from trimtab.sim.embeddings import vector


def _near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_near_texts_are_near() -> None:
    question = vector("How do I reset my password?", 256, 7)

    near = _near(question, vector("how can I reset the password", 256, 7))
    far = _near(question, vector("Opening hours of the harbour office", 256, 7))

    assert _near(question, question) == pytest.approx(1)
    assert near > 0.5 > far


def test_the_sdk_reads_vectors_and_usage(openai: OpenAI, sim: Sim) -> None:
    answer = openai.embeddings.create(model="sim/embed", input=["Hello", "World!"], dimensions=64)

    assert [len(each.embedding) for each in answer.data] == [64, 64]
    assert answer.data[0].embedding == pytest.approx(vector("Hello", 64, 7), abs=1e-6)
    assert answer.usage.prompt_tokens == 4
    assert sim.billed()[0]["cost_nano"] == 4 * 20


def test_vectors_are_the_same_in_either_encoding(openai: OpenAI) -> None:
    packed = openai.embeddings.create(model="embed", input="Hello", encoding_format="base64")
    plain = openai.embeddings.create(model="embed", input="Hello", encoding_format="float")

    assert isinstance(packed.data[0].embedding, str)
    assert plain.data[0].embedding == pytest.approx(vector("Hello", 256, 7))


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]]])
def test_token_numbers_are_embedded_too(openai: OpenAI, given: list[int]) -> None:
    assert openai.embeddings.create(model="embed", input=given).data


def test_faults_hit_embeddings_too(openai: OpenAI, sim: Sim) -> None:
    answer = sim.post("/v1/embeddings", {"model": "embed!no_usage!wrong_model", "input": "Hi"})

    assert "usage" not in answer.json()
    assert answer.json()["model"] != "sim/embed-2026-01-15"
    with pytest.raises(NotFoundError):
        openai.embeddings.create(model="large", input="Hi")


@pytest.mark.parametrize(
    "members", [{"input": ""}, {"input": []}, {"dimensions": 0}, {"input": {"a": 1}}]
)
def test_a_wrong_call_is_refused(sim: Sim, members: dict[str, object]) -> None:
    answer = sim.post("/v1/embeddings", {"model": "embed", "input": "Hi", **members})

    assert answer.status == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
