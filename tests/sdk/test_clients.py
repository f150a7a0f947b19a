import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from tests.sdk.receiver import KEY, Receiver

import trimtab.sdk as tt
from trimtab.domain.retrieval import decode

HELLO: Any = [{"role": "user", "content": "hi"}]


def search() -> None:
    with tt.retrieval("docs-index") as found:
        found.documents([("doc-12", 0.83, "3", "text")])


def found_in(headers: dict[str, str]) -> list[str]:
    text = headers.get("x-trimtab-documents")
    return [] if text is None else [it.id for it in decode(text).documents]


def test_openais_client_says_what_the_context_does(told: Receiver) -> None:
    with tt.openai() as client, tt.context(conversation="s-91", user="u-17", feature="search"):
        search()
        for _ in range(2):
            client.chat.completions.create(model="answers", messages=HELLO)
    assert tt.flush(5.0)

    (path, first), (_, second) = told.calls
    assert path == "/v1/chat/completions"
    assert first["x-trimtab-conversation"] == "s-91"
    assert first["x-trimtab-feature"] == second["x-trimtab-feature"] == "search"
    assert (found_in(first), found_in(second)) == (["doc-12"], [])
    root = next(it for it in told.spans if it.name == "search")
    assert first["traceparent"][:-3] == f"00-{root.trace_id.hex()}-{root.span_id.hex()}"


def test_a_call_in_no_trace_goes_on_with_that_of_the_search(told: Receiver) -> None:
    with tt.openai() as client:
        search()
        client.chat.completions.create(model="answers", messages=HELLO)
    assert tt.flush(5.0)

    ((_, headers),), (span,) = told.calls, told.spans
    assert headers["traceparent"][:-3] == f"00-{span.trace_id.hex()}-{span.span_id.hex()}"


async def test_the_other_clients_do_too(told: Receiver) -> None:
    with tt.context(user="u-17"):
        search()
        with tt.anthropic() as client:
            client.messages.create(model="answers", max_tokens=9, messages=HELLO)
        search()
        async with tt.async_openai() as client:
            await client.chat.completions.create(model="answers", messages=HELLO)
        search()
        async with tt.async_anthropic() as client:
            await client.messages.create(model="answers", max_tokens=9, messages=HELLO)

    assert [path for path, _ in told.calls] == [
        "/v1/messages",
        "/v1/chat/completions",
        "/v1/messages",
    ]
    assert [found_in(headers) for _, headers in told.calls] == [["doc-12"]] * 3
    assert {headers["x-trimtab-user"] for _, headers in told.calls} == {"u-17"}


def test_a_call_that_the_client_tries_again_says_the_same(told: Receiver) -> None:
    told.statuses = [503]
    with tt.openai() as client, tt.context(user="u-17"):
        search()
        # The first answer of the receiver may go to the spans of the search.
        tt.flush(5.0)
        told.statuses = [500]
        client.chat.completions.create(model="answers", messages=HELLO)

    ((_, headers),) = told.calls
    assert headers["x-stainless-retry-count"] == "1"
    assert found_in(headers) == ["doc-12"]


def test_options_and_headers_of_the_app_win(told: Receiver) -> None:
    with openai.DefaultHttpxClient() as http_client, tt.context(feature="search"):
        client = tt.openai(http_client=http_client, max_retries=0)
        client.chat.completions.create(
            model="answers",
            messages=HELLO,
            extra_headers={"x-trimtab-feature": "ads"},
        )
        assert (client.max_retries, client.api_key) == (0, KEY)

    ((_, headers),) = told.calls
    assert headers["x-trimtab-feature"] == "ads"


def test_telling_costs_a_call_next_to_nothing(told: Receiver) -> None:
    told.delay_s = 0.0
    with tt.openai() as client:
        client.chat.completions.create(model="answers", messages=HELLO)
        began_s = time.monotonic()  # noqa: TID251 -- it is what is measured
        for _ in range(100):
            with tt.context(user="u-17"):
                search()
        took_s = time.monotonic() - began_s  # noqa: TID251 -- as above

    assert took_s < 1.0


def test_without_documents_or_context_there_is_no_header(told: Receiver) -> None:
    with tt.openai() as client:
        client.chat.completions.create(model="answers", messages=HELLO)

    ((_, headers),) = told.calls
    assert [name for name in headers if name.startswith("x-trimtab") or name == "traceparent"] == []


@pytest.mark.parametrize("make", [tt.openai, tt.anthropic])
def test_a_client_asks_the_gateway(make: Callable[[], Any], told: Receiver) -> None:
    with make() as client:
        assert str(client.base_url).startswith(told.url)
