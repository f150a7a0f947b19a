"""Two requests side by side."""

from html import unescape

from msgspec.structs import replace
from tests.console.conftest import EXAMPLE, START_US, Site, example
from tests.console.prompting import NEW, OLD

from trimtab.console.compare import amounts, documents, facts, lines, path
from trimtab.console.messages import Block, Message
from trimtab.domain.record import Detail, StageTime
from trimtab.incidents.joined import Retrieved
from trimtab.registry.diff import Change
from trimtab.store.base.recording import StoredRecord

OTHER = f"{EXAMPLE[:-1]}Z"
PATH = path(EXAMPLE, OTHER)


def other() -> StoredRecord:
    """The example with another prompt and temperature, of a faster model."""
    stored = example(START_US)
    record = replace(
        stored.record,
        request_id=OTHER,
        target="sim/small",
        params='{"temperature":0.9,"max_tokens":800}',
        prompt_name="rag-answer",
        prompt_version=NEW,
        latency_us=583_500,
        input_ref=b"asked too",
    )
    detail = Detail(
        stages=(StageTime("call", 0, 500_000),),
        retrieved=({"doc_id": "doc-7", "score": 0.5, "rank": 1},),
        findings=({"guard": "secrets", "kind": "card_number", "start": 1},),
    )
    return replace(stored, record=record, detail=detail)


def fill(site: Site) -> None:
    stored = site.stores.records[0]
    record = replace(stored.record, prompt_name="rag-answer", prompt_version=OLD)
    site.stores.records[0] = replace(stored, record=record)
    site.stores.records.append(other())
    site.stores.contents[b"asked too"] = (
        b'{"messages": [{"role": "system", "content": "You answer from the handbook, briefly and'
        b' politely."}, {"role": "user", "content": "May I still return my <i>toaster</i>?"}]}'
    )


def test_facts_that_differ_are_told_apart_from_those_that_do_not() -> None:
    found = {it.name: it for it in facts(example(START_US), other())}

    assert (found["target"].a, found["target"].b) == ("sim/large", "sim/small")
    assert (found["param temperature"].a, found["param temperature"].b) == ("0.2", "0.9")
    assert (found["findings"].a, found["findings"].b) == ("", "secrets card_number")
    assert not found["param max_tokens"].differs
    assert not found["tenant"].differs
    assert "error code" not in found


def test_amounts_have_bars_of_one_scale_and_a_stage_may_be_in_one_only() -> None:
    found = {it.name: it for it in amounts(example(START_US), other())}

    assert (found["latency"].a, found["latency"].b) == ("2.33 s", "584 ms")
    assert found["latency"].shares == (100.0, 25.0)
    assert (found["stage fund"].a, found["stage fund"].b) == ("0.40 ms", "–")  # noqa: RUF001


def test_documents_stand_side_by_side() -> None:
    same = Retrieved(2, "b", 0.8, "inline", "v1")
    one = [Retrieved(1, "a", 0.9, "inline"), same, Retrieved(3, "d", 0.1, "inline", "v1")]
    two = [Retrieved(1, "c", 0.9, "inline"), same, Retrieved(3, "d", 0.1, "inline", "v2")]

    found = {it.doc_id: it for it in documents(one, two)}

    assert {name: it.differs for name, it in found.items()} == {
        "a": True,
        "b": False,
        "d": True,
        "c": True,
    }
    assert (found["a"].b, found["c"].a) == (None, None)


def test_messages_that_are_the_same_are_one_row_whatever_stands_between() -> None:
    first, last = (Message("user", (Block("text", "", it),)) for it in ("one", "last"))
    more = Message("tool", (Block("tool result", "", "42"),))

    found = lines((first, last), (first, more, last))

    assert [(it.roles, it.changed) for it in found] == [
        (("user", "user"), False),
        (("", "tool"), True),
        (("user", "user"), False),
    ]
    assert [it.change for it in found[1].pieces[1]] == [Change.ADDED]


def test_of_a_message_that_changed_each_side_has_its_own_words() -> None:
    before, after = (Message("user", (Block("text", "", it),)) for it in ("a kettle", "a pot"))

    (found,) = lines((before,), (after,))

    assert ["".join(it.text for it in side) for side in found.pieces] == ["a kettle", "a pot"]


async def test_the_page_tells_what_differs(site: Site) -> None:
    fill(site)
    await site.log_in("admin")

    html = unescape((await site.client.get(PATH)).text)

    assert f'href="/console/prompts/rag-answer/diff?from={OLD}&to={NEW}"' in html
    assert "only in B" in html
    assert "<del>kettle</del>" in html or "kettle" in html.partition("<del>")[2]
    readings = await site.stores.audit.readings(limit=10)
    assert {it.request_id for it in readings} == {EXAMPLE, OTHER}


async def test_what_people_wrote_is_never_markup(site: Site) -> None:
    fill(site)
    await site.log_in("admin")

    html = (await site.client.get(PATH)).text

    assert "<script>alert" not in html
    assert "<i>" not in html.partition("Asked of A")[2]
    assert "toaster" in html


async def test_words_are_not_even_read_without_the_right(site: Site) -> None:
    fill(site)
    await site.log_in("operator")

    html = (await site.client.get(PATH)).text

    assert "only with the right <code>content</code>" in html
    assert "toaster" not in html
    assert site.stores.asked["content"] == 0


async def test_two_of_the_list_are_chosen_by_ticking_them(site: Site) -> None:
    fill(site)
    await site.log_in("viewer")

    listed = (await site.client.get("/console/requests")).text
    chosen = await site.client.get(f"/console/compare?pick={EXAMPLE}&pick={OTHER}")
    many = await site.client.get(f"/console/compare?pick={EXAMPLE}&pick={OTHER}&pick={EXAMPLE}")

    assert f'name="pick" value="{EXAMPLE}" form="compare"' in listed
    assert '<form id="compare" method="get" action="/console/compare"' in listed
    assert "What differs" in chosen.text
    assert "More than two were chosen" in many.text


async def test_to_one_request_others_of_its_kind_are_offered(site: Site) -> None:
    await site.log_in("viewer")
    record = site.stores.records[0].record

    request = (await site.client.get(f"/console/requests/{EXAMPLE}")).text
    html = unescape((await site.client.get(f"/console/compare?a={EXAMPLE}")).text)

    assert f'href="/console/compare?a={EXAMPLE}"' in request
    alike = [
        it.record.request_id
        for it in site.stores.records[1:]
        if (it.record.tenant_id, it.record.feature) == (record.tenant_id, record.feature)
    ]
    assert f'href="{path(EXAMPLE, alike[0])}"' in html


async def test_a_request_that_is_not_there_says_so(site: Site) -> None:
    await site.log_in("viewer")

    nothing = await site.client.get("/console/compare")
    missing = await site.client.get(path(EXAMPLE, "r_nothing"))

    assert nothing.status_code == 200
    assert "Choose two requests" in nothing.text
    assert missing.status_code == 404
    assert "No record begins with <code>r_nothing</code>" in missing.text
