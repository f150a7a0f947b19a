"""A conversation, turn by turn."""

import re
from html import unescape

import msgspec
import pytest
from msgspec.structs import replace
from tests.console.conftest import ANSWER, ASKED, CONVERSATION, EXAMPLE, START_US, Site, example

from trimtab.console.conversation import MOST_TURNS, added, path
from trimtab.console.messages import Block, Message

PATH = path(CONVERSATION, "acme")


def said(role: str, text: str, kind: str = "text") -> Message:
    return Message(role, (Block(kind, "", text),))


SYSTEM = said("system", "Be brief.")
FIRST, REPLY, SECOND = said("user", "one"), said("assistant", "1"), said("user", "two")


def test_a_turn_adds_what_the_turn_before_did_not_have() -> None:
    assert added((SYSTEM, FIRST, REPLY), (SYSTEM, FIRST, REPLY, SECOND)) == (SECOND,)


def test_an_app_that_sends_only_what_is_new_or_forgets_the_beginning_is_read_alike() -> None:
    before = (SYSTEM, FIRST, REPLY, SECOND, said("assistant", "2"))

    assert added(before, (SYSTEM, said("user", "three"))) == (said("user", "three"),)
    assert added(before, (SYSTEM, *before[3:], said("user", "three"))) == (said("user", "three"),)


def test_the_same_words_said_again_are_shown_again() -> None:
    before = (FIRST, REPLY)

    assert added(before, (FIRST, REPLY, FIRST)) == (FIRST,)


def test_an_answer_that_comes_back_in_other_words_and_another_system_are_shown() -> None:
    other = said("assistant", "uno")
    system = said("system", "Be long.")

    assert added((SYSTEM, FIRST, REPLY), (system, FIRST, other, SECOND)) == (system, other, SECOND)


def test_what_only_the_model_thought_does_not_come_back() -> None:
    thought = Message("assistant", (Block("reasoning", "", "hm"), Block("text", "", "1")))

    assert added((FIRST, thought), (FIRST, REPLY, SECOND)) == (SECOND,)


def follow_up(site: Site) -> None:
    """Let the example go on: its app sends all of it again, and a question."""
    asked = msgspec.json.decode(ASKED)
    text = msgspec.json.decode(ANSWER)["parts"][1]["content"]
    asked["messages"] += [
        {"role": "assistant", "content": text},
        {"role": "user", "content": "And <b>without</b> its box?"},
    ]
    site.stores.contents[b"asked again"] = msgspec.json.encode(asked)
    stored = example(START_US - 2_000_000)
    record = replace(
        stored.record, request_id=f"{EXAMPLE[:-1]}Z", input_ref=b"asked again", output_ref=None
    )
    site.stores.records.append(replace(stored, record=record))


async def test_turns_stand_in_order_and_each_shows_what_is_new(site: Site) -> None:
    follow_up(site)
    await site.log_in("admin")

    html = (await site.client.get(PATH)).text

    turns = re.findall(r'<li class="panel" id="(\w+)">', html)
    times = {it.record.request_id: it.record.ts_us for it in site.stores.records}
    assert turns == sorted(turns, key=lambda it: times[it])
    assert turns[-1] == f"{EXAMPLE[:-1]}Z"
    assert html.count("May I still return my kettle?") == 1
    assert html.count("so you have until 2 May.") == 1
    assert "And &lt;b&gt;without&lt;/b&gt; its box?" in html
    assert "$0.009414" in html
    assert "2.33 s · 4,123 → 487 tokens" in html
    readings = await site.stores.audit.readings(limit=10)
    assert {it.request_id for it in readings} == {EXAMPLE, f"{EXAMPLE[:-1]}Z"}


async def test_words_are_not_even_read_without_the_right(site: Site) -> None:
    await site.log_in("operator")

    html = (await site.client.get(PATH)).text

    assert "only with the right <code>content</code>" in html
    assert "kettle" not in html
    assert site.stores.asked["content"] == 0


async def test_a_conversation_is_of_one_tenant(site: Site) -> None:
    await site.log_in("viewer")

    every = unescape((await site.client.get(PATH.partition("?")[0])).text)
    one = (await site.client.get(path(CONVERSATION, "globex"))).text

    assert [f'href="{path(CONVERSATION, it)}"' in every for it in ("acme", "globex")] == [True] * 2
    assert "More than one tenant" in every
    assert EXAMPLE not in one
    assert one.count('<li class="panel"') == 1


@pytest.mark.parametrize("where", [path("nothing", "acme"), "/console/conversations/nothing"])
async def test_one_that_is_not_there_says_so(site: Site, where: str) -> None:
    await site.log_in("viewer")

    answer = await site.client.get(where)

    assert answer.status_code == 404
    assert "No request is part of this conversation" in answer.text


async def test_a_long_one_is_paged_back(site: Site) -> None:
    await site.log_in("viewer")
    stored = site.stores.records[0]
    for index in range(MOST_TURNS + 3):
        record = replace(
            stored.record,
            request_id=f"r_{index:026d}",
            conversation_id="long",
            ts_us=stored.record.ts_us + index,
        )
        site.stores.records.append(replace(stored, record=record))

    newest = (await site.client.get(path("long", "acme"))).text
    older = unescape(re.findall(r'href="([^"]+)" rel="prev"', newest)[0])
    first = (await site.client.get(older)).text

    assert newest.count('<li class="panel"') == MOST_TURNS
    assert re.findall(r'<li class="panel" id="(\w+)">', first) == [
        f"r_{it:026d}" for it in range(3)
    ]
    assert 'rel="last"' in first


async def test_requests_lead_to_their_conversation(site: Site) -> None:
    await site.log_in("viewer")

    listed = (await site.client.get("/console/requests")).text
    shown = (await site.client.get(f"/console/requests/{EXAMPLE}")).text

    link = 'href="/console/conversations/trip/7%20to%20Rome?tenant=acme"'
    assert link in listed
    assert link in shown
