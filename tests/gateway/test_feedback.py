from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.gateway.conftest import AUTH, Answer, call, gateway
from tests.pipeline.conftest import GRANT, Rig
from tests.telemetry.shapes import record

from trimtab.domain.annotation import Annotated
from trimtab.domain.errors import RecorderUnavailable
from trimtab.domain.ids import request_id
from trimtab.domain.record import Blob
from trimtab.domain.tenant import ContentPolicy
from trimtab.gateway.feedback import MOST_A_SECOND, Feedback
from trimtab.pipeline.content import ContentCapture
from trimtab.store.content import assemble
from trimtab.testing import FrozenClock, seeded_entropy

NOW_US = FrozenClock().now_us()
ASKED = request_id(NOW_US - 60_000_000, seeded_entropy())
THUMB = {"request_id": ASKED, "name": "thumbs", "score": -1}


class Desk:
    """A gateway that takes feedback. State: what it wrote down."""

    def __init__(self, rig: Rig | None = None) -> None:
        self.rig = rig or Rig()
        self.written: list[Annotated] = []
        self.full = False
        feedback = Feedback(
            self.rig.pipeline.identify,
            self._write,
            ContentCapture(lambda _: b"k" * 32),
            self.rig.stored_answer,
            seeded_entropy(),
        )
        self._gateway = gateway(self.rig, feedback)

    async def post(
        self,
        said: object,
        *,
        method: str = "POST",
        headers: Sequence[tuple[bytes, bytes]] = (AUTH,),
    ) -> Answer:
        data = said if isinstance(said, bytes) else msgspec.json.encode(said)
        return await call(self._gateway, method, "/v1/feedback", data, headers=headers)

    def _write(self, said: Annotated) -> None:
        if self.full:
            raise RecorderUnavailable("the disk is full; make room")
        self.written.append(said)


async def test_feedback_becomes_a_claim_of_the_keys_tenant() -> None:
    desk = Desk()

    answer = await desk.post({**THUMB, "label": "refunds"})

    assert answer.status == 202
    (written,) = desk.written
    said = written.annotation
    assert answer.json == {"annotation_ids": [said.annotation_id], "comments_kept": 0}
    assert written.claimed
    assert (said.request_id, said.tenant_id) == (ASKED, GRANT.tenant.id)
    assert (said.kind, said.source, said.name) == ("feedback", "user", "thumbs")
    assert (said.score, said.label, said.ts_us) == (-1.0, "refunds", NOW_US)


async def test_an_outcome_is_what_the_app_says() -> None:
    desk = Desk()

    await desk.post({**THUMB, "kind": "outcome", "name": "resolved"})

    assert (desk.written[0].annotation.kind, desk.written[0].annotation.source) == (
        "outcome",
        "app",
    )


async def test_a_comment_is_content() -> None:
    full, absent = (
        replace(GRANT, content=ContentPolicy.FULL),
        replace(GRANT, content=ContentPolicy.NONE),
    )
    kept, dropped = Desk(Rig(grant=full)), Desk(Rig(grant=absent))
    said = {**THUMB, "comment": "wrong refund window"}

    assert (await kept.post(said)).json["comments_kept"] == 1
    assert (await dropped.post(said)).json["comments_kept"] == 0

    (one,) = kept.written
    blobs: dict[bytes, Blob] = {it.ref: it for it in one.content}
    assert assemble(blobs.get, one.annotation.text_ref or b"") == b"wrong refund window"
    assert one.request_us == NOW_US - 60_000_000
    assert dropped.written[0].content == ()
    assert dropped.written[0].annotation.text_ref is None


async def test_the_same_comment_is_written_whole_each_time() -> None:
    desk = Desk(Rig(grant=replace(GRANT, content=ContentPolicy.FULL)))

    await desk.post([{**THUMB, "comment": "wrong"}, {**THUMB, "comment": "wrong"}])

    assert [len(it.content) for it in desk.written] == [1, 1]


async def test_what_is_said_again_under_one_key_is_one_annotation() -> None:
    desk = Desk()
    keyed = {**THUMB, "idempotency_key": "k-1"}

    await desk.post([keyed, keyed, {**keyed, "idempotency_key": "k-2"}, THUMB, THUMB])

    ids = [it.annotation.annotation_id for it in desk.written]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert {(it[:2], len(it)) for it in ids} == {("n_", 28)}


async def test_an_answer_is_found_by_the_providers_id() -> None:
    desk = Desk()
    found = record(request_id=ASKED, response_id="chatcmpl-1", tenant_id=GRANT.tenant.id)
    desk.rig.stored[GRANT.tenant.id, "chatcmpl-1"] = found
    by_answer = {"response_id": "chatcmpl-1", "name": "thumbs"}

    assert (await desk.post(by_answer)).status == 202
    missing = await desk.post({**by_answer, "response_id": "chatcmpl-2"})

    assert desk.written[0].annotation.request_id == ASKED
    assert missing.status == 404
    assert missing.json["error"]["code"] == "not_found"


YEARS_AGO = request_id(NOW_US - 500 * 86_400_000_000, seeded_entropy())
TOMORROW = request_id(NOW_US + 86_400_000_000, seeded_entropy())
BAD: dict[str, Any] = {
    "one of two": [THUMB, {**THUMB, "request_id": "r_1"}],
    "one of two, old": [THUMB, {**THUMB, "request_id": YEARS_AGO}],
    "nothing": b"",
    "text": b"{",
    "empty": [],
    "too many": [THUMB] * 101,
    "no request": {"name": "thumbs"},
    "two requests": {**THUMB, "response_id": "x"},
    "no id": {**THUMB, "request_id": "r_1"},
    "old": {**THUMB, "request_id": YEARS_AGO},
    "of tomorrow": {**THUMB, "request_id": TOMORROW},
    "name": {**THUMB, "name": "Thumbs up"},
    "name and a line end": {**THUMB, "name": "thumbs\n"},
    "label and a line end": {**THUMB, "label": "good\n"},
    "control": {**THUMB, "label": "a\x00b"},
    "score": {**THUMB, "score": 1e300},
    "kind": {**THUMB, "kind": "evaluation"},
    "unknown": {**THUMB, "source": "judge"},
    "comment": {**THUMB, "comment": "x" * 8_001},
    "nested": b"[" * 100_000,
    "large": b" " * ((1 << 20) + 1),
}


@pytest.mark.parametrize("said", BAD.values(), ids=BAD)
async def test_what_cannot_be_read_is_refused_and_nothing_is_written(said: object) -> None:
    desk = Desk()

    answer = await desk.post(said)

    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_request")
    assert desk.written == []


async def test_only_a_good_key_may_say_something() -> None:
    desk = Desk()

    assert (await desk.post(THUMB, headers=())).status == 401
    assert (await desk.post(THUMB, headers=[(b"x-api-key", b"tt_no")])).status == 401
    other = [AUTH, (b"x-trimtab-tenant", b"globex")]
    assert (await desk.post(THUMB, headers=other)).status == 403
    assert (await desk.post(THUMB, method="GET")).status == 404
    assert desk.written == []


async def test_a_key_says_no_more_than_so_much_in_a_second() -> None:
    desk = Desk()
    for _ in range(MOST_A_SECOND // 100):
        assert (await desk.post([THUMB] * 100)).status == 202

    refused = await desk.post(THUMB)
    desk.rig.clock.advance(1.0)

    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert (await desk.post(THUMB)).status == 202


async def test_a_full_disk_is_told() -> None:
    desk = Desk()
    desk.full = True

    answer = await desk.post(THUMB)

    assert (answer.status, answer.json["error"]["code"]) == (503, "recorder_unavailable")
