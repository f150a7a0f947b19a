from types import SimpleNamespace
from typing import Any

import pytest
from tests.sdk.receiver import REQUEST_ID, Receiver

import trimtab.sdk as tt
from trimtab.domain.errors import InvalidRequest

HELLO: Any = [{"role": "user", "content": "hi"}]


def said(told: Receiver) -> list[dict[str, object]]:
    assert tt.flush(5.0)
    keys = [it.pop("idempotency_key") for it in told.feedback]
    assert len(set(keys)) == len(keys)
    assert all(len(it) == 32 for it in keys)
    return told.feedback


def test_thumbs_scores_and_comments_have_names(told: Receiver) -> None:
    tt.feedback(REQUEST_ID, thumbs=-1, comment="wrong refund window")
    tt.feedback(REQUEST_ID, score=4.5)
    tt.feedback(REQUEST_ID, comment="ok")
    tt.feedback(REQUEST_ID, label="late", name="delivery")

    of = {"request_id": REQUEST_ID, "kind": "feedback"}
    assert said(told) == [
        {**of, "name": "thumbs", "score": -1, "comment": "wrong refund window"},
        {**of, "name": "score", "score": 4.5},
        {**of, "name": "comment", "comment": "ok"},
        {**of, "name": "delivery", "label": "late"},
    ]


def test_a_click_names_the_document_and_an_outcome_is_the_apps(told: Receiver) -> None:
    tt.clicked(REQUEST_ID, "doc-77")
    tt.annotate(REQUEST_ID, "resolved", score=1)

    assert said(told) == [
        {"request_id": REQUEST_ID, "kind": "feedback", "name": "click", "label": "doc-77"},
        {"request_id": REQUEST_ID, "kind": "outcome", "name": "resolved", "score": 1},
    ]


def test_an_answer_names_its_request(told: Receiver) -> None:
    with tt.openai() as client:
        whole = client.chat.completions.create(model="answers", messages=HELLO)
        raw = client.chat.completions.with_raw_response.create(model="answers", messages=HELLO)
    with tt.anthropic() as client:
        message = client.messages.create(model="answers", max_tokens=9, messages=HELLO)
    stream = SimpleNamespace(response=raw.http_response)
    for answer in (whole, raw, message, stream):
        tt.clicked(answer, "doc-7")

    assert {str(it["request_id"]) for it in said(told)} == {REQUEST_ID}


def test_an_answer_of_which_only_the_providers_id_is_known_is_named_by_it(told: Receiver) -> None:
    tt.clicked("chatcmpl-1", "doc-7")
    tt.clicked(SimpleNamespace(id="chatcmpl-1", _request_id="req_other"), "doc-7")

    assert [it["response_id"] for it in said(told)] == ["chatcmpl-1", "chatcmpl-1"]


def test_what_is_no_answer_or_says_nothing_is_refused(told: Receiver) -> None:
    bad: list[tuple[object, dict[str, Any]]] = [
        (object(), {"thumbs": 1}),
        (REQUEST_ID, {}),
        (REQUEST_ID, {"thumbs": 1, "score": 2.0}),
    ]
    for answer, given in bad:
        with pytest.raises(InvalidRequest):
            tt.feedback(answer, **given)

    assert said(told) == []
