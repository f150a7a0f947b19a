import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.evals.gateways import ChatGateway, kept, no_sleep, refused

from trimtab.evals.asking import Asking
from trimtab.evals.cache import Cache
from trimtab.evals.calling import Reply
from trimtab.evals.embedder import MOST_AT_ONCE, GatewayEmbedder
from trimtab.evals.judging import Fault, JudgeError
from trimtab.evals.naming import Naming, Tally
from trimtab.testing import FrozenClock

MODEL = "sim/embed-2026-01-15"


def vectors(*data: Any, model: str = MODEL) -> Reply:  # noqa: ANN401
    body = {"data": [{"index": at, "embedding": it} for at, it in data], "model": "embed"}
    return Reply(status=200, body=json.dumps(body).encode(), model=model)


def lengths(body: Mapping[str, Any]) -> Reply:
    """The vector of a text is its length; the last comes first."""
    return vectors(*reversed([(at, [len(it), 1.0]) for at, it in enumerate(body["input"])]))


def embedder(gateway: ChatGateway, folder: Path, known: str | None = MODEL) -> GatewayEmbedder:
    cache = Cache(folder, FrozenClock())
    return GatewayEmbedder(
        naming=Naming(name="embed", known=known, cache=cache, tally=Tally()),
        asking=Asking(gateway, Random(7), no_sleep),  # noqa: S311
        cache=cache,
        place="ev_1/embeddings/judge/0",
    )


async def test_texts_get_their_vectors_in_their_order(tmp_path: Path) -> None:
    gateway = ChatGateway(lengths)

    got = await embedder(gateway, tmp_path).embed(["aa", "b", "aa", "cccc"])

    assert [it[0] for it in got] == [2, 1, 2, 4]
    assert gateway.bodies == [{"model": "embed", "input": ["aa", "b", "cccc"]}]


async def test_only_new_texts_are_asked_for(tmp_path: Path) -> None:
    gateway = ChatGateway(lengths)
    first = await embedder(gateway, tmp_path).embed(["aa", "b"])

    again = await embedder(gateway, tmp_path).embed(["b", "ccc", "aa"])

    assert [gateway.bodies[1]["input"], again[0], again[2]] == [["ccc"], first[1], first[0]]
    assert (await embedder(gateway, tmp_path).embed(["aa"]))[0] == first[0]
    assert gateway.calls == 2


async def test_many_texts_go_in_batches(tmp_path: Path) -> None:
    gateway = ChatGateway(lengths)

    got = await embedder(gateway, tmp_path).embed([str(it) for it in range(MOST_AT_ONCE + 1)])

    assert [len(it["input"]) for it in gateway.bodies] == [MOST_AT_ONCE, 1]
    assert len(got) == MOST_AT_ONCE + 1


async def test_equal_batches_at_once_are_one_call(tmp_path: Path) -> None:
    gateway = ChatGateway(lengths)
    one = embedder(gateway, tmp_path)

    await asyncio.gather(*(one.embed(["aa", "b"]) for _ in range(4)))

    assert gateway.calls == 1


async def test_vectors_of_another_model_are_others(tmp_path: Path) -> None:
    gateway = ChatGateway(lengths)
    await embedder(gateway, tmp_path).embed(["aa"])

    await embedder(gateway, tmp_path, "sim/embed-2026-05-01").embed(["aa"])

    assert gateway.calls == 2


async def test_an_alias_is_probed_once_and_then_is_its_model(tmp_path: Path) -> None:
    gateway = ChatGateway(lengths)
    one = embedder(gateway, tmp_path, None)
    before = one.model

    await one.embed(["aa"])
    await one.embed(["aa"])

    assert [it["input"] for it in gateway.bodies] == [["ok"], ["aa"]]
    assert (before, one.model) == ("embed", "sim/embed")


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(vectors((0, [1.0])), id="too few"),
        pytest.param(vectors((0, [1.0]), (0, [1.0])), id="one twice"),
        pytest.param(vectors((0, [1.0]), (1, [])), id="empty"),
        pytest.param(vectors((0, [1.0]), (1, ["x"])), id="no number"),
        pytest.param(Reply(status=200, body=b"\xff"), id="garbage"),
    ],
)
async def test_vectors_that_were_not_asked_for_are_an_error(reply: Reply, tmp_path: Path) -> None:
    with pytest.raises(JudgeError) as caught:
        await embedder(ChatGateway(reply), tmp_path).embed(["a", "b"])

    assert caught.value.fault is Fault.UNREADABLE
    assert kept(tmp_path) == []


async def test_a_model_that_is_away_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JudgeError) as caught:
        await embedder(ChatGateway(refused(503)), tmp_path).embed(["a"])

    assert caught.value.fault is Fault.UNAVAILABLE


async def test_a_vector_that_was_spoilt_is_asked_for_again(tmp_path: Path) -> None:
    gateway = ChatGateway(lengths)
    await embedder(gateway, tmp_path).embed(["aa"])
    path = kept(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b'"parsed":[2.0,1.0]', b'"parsed":[]'))

    got = await embedder(gateway, tmp_path).embed(["aa"])

    assert (got[0], gateway.calls) == ((2.0, 1.0), 2)
