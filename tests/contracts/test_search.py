"""What every implementation of the record stores must find, by words and by terms."""

from collections.abc import AsyncGenerator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.contracts.test_records import IMPLEMENTATIONS, Stores, ids, put
from tests.records import DAY_US, finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.domain.annotation import Annotation
from trimtab.domain.ids import request_id
from trimtab.domain.record import Blob, Finish
from trimtab.pipeline.content import ContentCapture
from trimtab.store.base.reading import Cursor, Facet, RecordFilter, SavedFilter
from trimtab.store.base.recording import Batch, StoredBlob
from trimtab.store.filter_text import FIELDS, parse
from trimtab.testing import seeded_entropy

MIDNIGHT_US = TS_US - TS_US % DAY_US
ALL = 10_000


@pytest.fixture(params=IMPLEMENTATIONS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Stores]:
    with IMPLEMENTATIONS[request.param](tmp_path, request) as opened:
        assert await opened.writer.positions() == ()
        yield opened


async def say(stores: Stores, seed: int, asked: str, answered: str = "", /, **fields: Any) -> str:  # noqa: ANN401 -- of many kinds
    """Store a request with its content; gives its id."""
    at_us = fields.get("ts_us", TS_US)
    made = finish(seed, **{"request_id": request_id(at_us, seeded_entropy(seed)), **fields})
    capture = ContentCapture(tenant_key)
    bodies = (
        {"model": "secretkey", "messages": [{"role": "user", "content": asked}]},
        {"role": "assistant", "parts": [{"type": "text", "content": answered}]},
    )
    tenant, ts_us = made.record.tenant_id, made.record.ts_us
    refs: list[bytes] = []
    blobs: list[StoredBlob] = []
    for body in bodies:
        ref, new = capture.capture(tenant, ts_us, msgspec.json.encode(body))
        refs.append(ref)
        blobs += [StoredBlob(tenant, ts_us, it) for it in new]
    record = replace(made.record, input_ref=refs[0], output_ref=refs[1])
    batch = Batch(finishes=(replace(made, record=record),), blobs=tuple(blobs))
    await stores.writer.commit(batch)
    return record.request_id


async def found(stores: Stores, text: str, **paging: Any) -> list[str]:  # noqa: ANN401 -- of many kinds
    return ids(await stores.reader.page(parse(text, TS_US), **paging))


async def test_words_are_found_wherever_they_stand_whatever_their_case_and_accents(
    stores: Stores,
) -> None:
    asked = await say(stores, 1, "What is the REFUND window for Café-Crème?", "14 days")
    answered = await say(stores, 2, "hello", "our refund   window is 14 days", ts_us=TS_US - 5)
    await say(stores, 3, "window, no refund", "nothing", ts_us=TS_US - 9)
    await say(stores, 4, "refund", "window", ts_us=TS_US - 10)

    assert await found(stores, "refund") == []
    assert await stores.writer.index(lambda _: True, limit=ALL) == 4
    assert await stores.writer.index(lambda _: True, limit=ALL) == 0

    assert await found(stores, '"refund window"') == [asked, answered]
    assert await found(stores, '"Refund Window" DAYS') == [asked, answered]
    assert await found(stores, "cafe-creme") == [asked]
    assert await found(stores, '"days 14"') == []
    assert await found(stores, "secretkey") == []
    assert await found(stores, "user") == []
    assert len(await found(stores, "refund window")) == 4


async def test_words_of_scripts_without_spaces_are_found_within_a_line(stores: Stores) -> None:
    one = await say(stores, 1, "退款政策是什么")
    await stores.writer.index(lambda _: True, limit=ALL)

    assert await found(stores, "政策") == [one]
    assert await found(stores, "策政") == []


async def test_what_may_not_be_searched_is_not_and_no_other_tenants_is_found(
    stores: Stores,
) -> None:
    ours = await say(stores, 1, "refund", tenant_id="acme")
    await say(stores, 2, "refund", tenant_id="globex")
    await say(stores, 3, "refund", tenant_id="hushed")
    assert await stores.writer.index(lambda it: it != "hushed", limit=ALL) == 3

    assert len(await found(stores, "refund")) == 2
    assert await found(stores, "refund tenant:acme") == [ours]
    assert await found(stores, "refund tenant:hushed") == []
    assert len(await found(stores, "refund tenant:acme,globex")) == 2
    assert await found(stores, "refund -tenant:globex") == [ours]


async def test_a_few_at_a_time_are_taken_the_oldest_first(stores: Stores) -> None:
    newer = await say(stores, 2, "refund")
    older = await say(stores, 1, "refund", ts_us=TS_US - DAY_US)

    assert await stores.writer.index(lambda _: True, limit=1) == 1
    assert await found(stores, "refund") == [older]
    assert await stores.writer.index(lambda _: True, limit=1) == 1
    assert await found(stores, "refund") == [newer, older]


async def test_content_that_is_gone_or_damaged_keeps_nobody_from_being_found(
    stores: Stores,
) -> None:
    await put(stores, finish(1, input_ref=b"\0" * 32, output_ref=None))
    damaged = finish(3, input_ref=b"\1" * 32)
    blob = StoredBlob(damaged.record.tenant_id, TS_US, Blob(b"\1" * 32, "zstd", b"\xc1"))
    await stores.writer.commit(Batch(finishes=(damaged,), blobs=(blob,)))
    kept = await say(stores, 2, "refund")

    assert await stores.writer.index(lambda _: True, limit=ALL) == 3
    assert await found(stores, "refund") == [kept]


async def test_found_records_go_on_behind_a_cursor_over_equal_times_and_days(
    stores: Stores,
) -> None:
    chance = Random(7)  # noqa: S311 -- seeded
    times = [MIDNIGHT_US + chance.choice([-DAY_US, -1, 0, 1, 1, 1, DAY_US]) for _ in range(40)]
    made = [
        ((ts_us, await say(stores, seed, f"refund no{seed % 2}", ts_us=ts_us)), seed)
        for seed, ts_us in enumerate(times)
    ]
    await stores.writer.index(lambda _: True, limit=ALL)

    seen: list[str] = []
    cursor = None
    where = parse('"refund no1"', TS_US)
    while page := await stores.reader.page(where, after=cursor, limit=3):
        seen += ids(page)
        cursor = Cursor(page[-1].ts_us, page[-1].request_id)

    odd = sorted([it for it, seed in made if seed % 2], reverse=True)
    assert seen == [request_id for _, request_id in odd]
    within = replace(where, since_us=MIDNIGHT_US, until_us=MIDNIGHT_US + 1)
    assert ids(await stores.reader.page(within)) == [it for at, it in odd if at == MIDNIGHT_US]


TERMS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("status:error,blocked", {"status": "blocked"}, {"status": "ok"}),
    ("-status:ok", {"status": "lost"}, {"status": "ok"}),
    ("-status:error,lost", {"status": "ok"}, {"status": "lost"}),
    ("model:sim/*", {"model_requested": "sim/a"}, {"model_requested": "Sim/a"}),
    ("-model:sim/*", {"model_requested": "sim"}, {"model_requested": "sim/b"}),
    ('feature:"a,b*"', {"feature": "a,b*"}, {"feature": "a"}),
    ("arm:treatment", {"arm": "treatment"}, {"arm": None}),
    ("-arm:treatment", {"arm": None}, {"arm": "treatment"}),
    ("arm:*", {"arm": "control"}, {"arm": None}),
    ("experiment:e1", {"experiment": "e1"}, {"experiment": "e2"}),
    ("prompt:a@1.0.0", {"prompt_name": "a", "prompt_version": "1.0.0"}, {"prompt_name": "a"}),
    ("guard:block,redact", {"guardrail_decision": "redact"}, {"guardrail_decision": "allow"}),
    ("conversation:c1", {"conversation_id": "c1"}, {"conversation_id": None}),
    ("user:abc", {"user_hash": "abc"}, {"user_hash": None}),
    ("tier:gold", {"tier": "gold"}, {"tier": "silver"}),
    ("target:sim/large", {"target": "sim/large"}, {"target": "sim/small"}),
    ("tag:team=a.b", {"tags": '{"team":"a.b"}'}, {"tags": '{"team":"a"}'}),
    ("-tag:team=a", {"tags": None}, {"tags": '{"team":"a"}'}),
    ("tag:a.b=x", {"tags": '{"a.b":"x"}'}, {"tags": '{"a":{"b":"x"}}'}),
    ("kept:no", {"trace_kept": False}, {"trace_kept": True}),
    ("fallback:yes", {"fallback_used": True}, {"fallback_used": False}),
    ("rule:slow", {"sampling_rule": "slow"}, {"sampling_rule": "rest"}),
    ("replay:full", {"replay": "full"}, {"replay": "none"}),
    ("latency_ms:>5000", {"latency_us": 5_000_001}, {"latency_us": 5_000_000}),
    ("latency_ms:>=5000", {"latency_us": 5_000_000}, {"latency_us": 4_999_999}),
    ("latency_ms:<1.5", {"latency_us": 1499}, {"latency_us": 1500}),
    ("-latency_ms:<1.5", {"latency_us": 1500}, {"latency_us": 1499}),
    ("ttft_ms:<=2", {"ttft_us": 2000}, {"ttft_us": None}),
    ("cost_usd:>0.01", {"cost_nano": 10_000_001}, {"cost_nano": None}),
    ("input_tokens:>10", {"input_tokens": 11}, {"input_tokens": 10}),
    ("output_tokens:<10", {"output_tokens": 9}, {"output_tokens": 10}),
    ("latency_ms:>1 latency_ms:<3", {"latency_us": 2000}, {"latency_us": 3000}),
)
"""A filter, members of a record that fits, and of one that does not."""


@pytest.mark.parametrize(("text", "fits", "fits_not"), TERMS, ids=[it[0] for it in TERMS])
async def test_a_term_shows_what_fits_and_nothing_else(
    stores: Stores, text: str, fits: dict[str, Any], fits_not: dict[str, Any]
) -> None:
    one = finish(1, **fits)
    await put(stores, one, finish(2, **fits_not))

    assert await found(stores, text) == [one.record.request_id]


def test_every_name_of_a_filter_is_tried() -> None:
    tried = {word.lstrip("-").partition(":")[0] for text, *_ in TERMS for word in text.split()}
    plain = {"tenant", "provider", "key", "error", "origin", "trace", "response", "version"}

    assert tried | plain | {"label", "score"} == set(FIELDS)


def said(of: Finish, number: int, /, **fields: Any) -> Annotation:  # noqa: ANN401 -- of many kinds
    told = {"ts_us": TS_US + number, "kind": "evaluation", "name": "good", "source": "judge"}
    ids = {"annotation_id": f"n_{number:02}", "request_id": of.record.request_id}
    return msgspec.convert({**told, **ids, "tenant_id": "acme", **fields}, Annotation)


async def test_what_was_said_of_a_request_is_found_unless_it_was_corrected(
    stores: Stores,
) -> None:
    low, high, mended = finish(1), finish(2, ts_us=TS_US - 1), finish(3, ts_us=TS_US - 2)
    await put(stores, low, high, mended)
    told = (
        said(low, 1, score=0.25, label="bad"),
        said(high, 2, score=0.75),
        said(high, 3, score=0.25, name="kind"),
        said(mended, 4, score=0.25, label="bad"),
        said(mended, 5, score=0.5),
    )
    await stores.writer.commit(Batch(annotations=told))
    name = {it.record.request_id: n for n, it in enumerate((low, high, mended))}

    async def who(text: str) -> list[int]:
        return [name[it] for it in await found(stores, text)]

    assert await who("label:bad") == [0]
    assert await who("label:b*") == [0]
    assert await who("score:<0.5") == [0, 1]
    assert await who("score:good:<0.5") == [0]
    assert await who("score:good:>=0.5") == [1, 2]
    assert await who("score:good:>=0.5 score:kind:<0.5") == [1]


async def test_the_newest_that_fit_are_counted_by_what_lists_are_narrowed_by(
    stores: Stores,
) -> None:
    await put(
        stores,
        finish(1, status="error", tenant_id="acme", feature="f", model_requested="m"),
        finish(2, status="ok", tenant_id="acme", feature="g", model_requested="m"),
        finish(3, status="ok", tenant_id="globex", feature="g", model_requested="m"),
        finish(4, ts_us=TS_US - 1, tenant_id="old", prompt_name="p"),
    )

    counted = await stores.reader.facets(RecordFilter(), limit=3)

    assert counted == (
        Facet("status", "ok", 2),
        Facet("status", "error", 1),
        Facet("model_requested", "m", 3),
        Facet("tenant_id", "acme", 2),
        Facet("tenant_id", "globex", 1),
        Facet("feature", "g", 2),
        Facet("feature", "f", 1),
    )
    assert await stores.reader.facets(parse("prompt:p", TS_US), limit=3) != ()


async def test_what_words_find_is_counted_too(stores: Stores) -> None:
    await say(stores, 1, "refund", tenant_id="acme")
    await say(stores, 2, "return", tenant_id="globex")
    await stores.writer.index(lambda _: True, limit=ALL)

    counted = await stores.reader.facets(parse("refund", TS_US), limit=10)

    assert [it for it in counted if it.column == "tenant_id"] == [Facet("tenant_id", "acme", 1)]


async def test_a_filter_is_kept_by_its_owner_and_name(stores: Stores) -> None:
    own = SavedFilter(owner="dana", name="slow", text="latency_ms:>2000")
    shared = SavedFilter(owner="", name="slow", text="latency_ms:>9000")
    other = SavedFilter(owner="eve", name="mine", text="status:error")
    for it in (replace(own, text="x"), own, shared, other):
        await stores.writer.save(it)

    assert await stores.reader.saved("dana") == (own, shared)
    assert await stores.reader.saved("eve") == (other, shared)

    await stores.writer.unsave("dana", "slow")
    await stores.writer.unsave("dana", "slow")
    assert await stores.reader.saved("dana") == (shared,)
