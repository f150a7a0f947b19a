"""An instrumented app with the official clients against a whole Trimtab."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Stack, eventually

pytestmark = pytest.mark.e2e

APP = Path(__file__).with_name("instrumented.py")


@pytest.fixture(scope="module")
def ids(stack: Stack, key: str) -> list[str]:
    """Run the app once; gives the ids of its requests."""
    done = subprocess.run(
        [sys.executable, str(APP)],
        env={**stack.environ, "TRIMTAB_URL": stack.url, "TRIMTAB_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [_request_of(stack, it) for it in json.loads(done.stdout)]


def _request_of(stack: Stack, response_id: str) -> str:
    sql = "SELECT request_id FROM request WHERE response_id = ?"
    found = eventually(lambda: stack.rows(sql, response_id), f"the record of {response_id}")
    return str(found[0]["request_id"])


def annotated(stack: Stack, request_id: str, count: int) -> list[dict[str, Any]]:
    """Wait for what is said of a request."""
    sql = "SELECT * FROM annotation WHERE request_id = ? ORDER BY ts_us, annotation_id"

    def found() -> list[dict[str, Any]] | None:
        rows = stack.rows(sql, request_id)
        return rows if len(rows) >= count else None

    return eventually(found, f"{count} annotations of {request_id}")


def test_what_was_found_and_whose_it_is_is_in_the_record(stack: Stack, ids: list[str]) -> None:
    for request_id, wire in ((ids[0], "openai.chat"), (ids[2], "anthropic.messages")):
        record = stack.record(request_id)
        assert record["wire"] == wire
        assert (record["conversation_id"], record["feature"]) == ("s-91", "search")
        assert (record["retrieval_source"], record["index_name"]) == ("header", "docs-index")
        assert record["index_build_date"] == "2026-03-01"
        assert record["embedding_model"] == "text-embedding-3-large"
        assert record["retrieval_us"] >= 2_000
        assert json.loads(record["tags"]) == {"team": "shop"}
        assert record["user_hash"] is not None
        retrieved = stack.admin(f"records/{request_id}")["detail"]["retrieved"]
        assert [(it["doc_id"], it["rank"]) for it in retrieved] == [("doc-12", 1), ("doc-77", 2)]
    assert stack.record(ids[1])["retrieval_source"] == "none"
    assert stack.record(ids[3])["retrieval_source"] == "header"
    assert len({stack.record(it)["trace_id"] for it in ids}) == 1
    assert stack.record(ids[0])["parent_span_id"] is not None


def test_what_users_and_the_app_say_is_stored_with_the_request(
    stack: Stack, ids: list[str]
) -> None:
    first, corrected = annotated(stack, ids[0], 2)
    assert (first["kind"], first["name"], first["score"]) == ("feedback", "thumbs", 1)
    assert (corrected["score"], corrected["source"]) == (-1, "user")
    assert corrected["text_ref"] is not None
    (click,) = annotated(stack, ids[2], 1)
    assert (click["name"], click["label"]) == ("click", "doc-77")
    (outcome,) = annotated(stack, ids[3], 1)
    assert (outcome["kind"], outcome["source"], outcome["score"]) == ("outcome", "app", 1)
    (by_answer,) = annotated(stack, ids[1], 1)
    assert (by_answer["name"], by_answer["score"]) == ("score", 4)

    told = stack.run("trace", ids[0], "--content").stdout
    assert "wrong refund window" in told


def test_both_have_lines_in_the_log(stack: Stack, ids: list[str]) -> None:
    annotated(stack, ids[0], 2)

    def lines() -> Mapping[str, Any] | None:
        told = [
            json.loads(line)
            for path in (stack.home / "log").glob("requests-*.jsonl")
            for line in path.read_text().splitlines()
        ]
        mine = [it for it in told if (it["request_id"], it["tenant_id"]) == (ids[0], "acme")]
        return {it["event"]: it for it in mine} if len(mine) == 3 else None

    found = eventually(lines, "three lines")
    assert found["request"]["retrieved"] == ["doc-12:0.83", "doc-77:0.71"]
    assert (found["annotation"]["name"], found["annotation"]["score"]) == ("thumbs", -1)
    assert "wrong refund window" not in json.dumps(found)


def test_what_another_tenant_says_of_a_request_is_dropped_and_counted(
    stack: Stack, ids: list[str]
) -> None:
    before = len(annotated(stack, ids[0], 2))
    said = {"request_id": ids[0], "name": "forged", "score": -1}
    status, _, _ = stack.post("/v1/feedback", json.dumps(said).encode(), stack.key("globex"))
    assert status == 202

    def refused() -> bool:
        told = stack.run("trace", ids[0]).stdout
        assert "forged" not in told
        claims = stack.rows("SELECT * FROM annotation_claim WHERE name = 'forged'")
        return "tenants' requests" in stack.log() and not claims

    eventually(refused, "the claim is dropped")
    assert len(annotated(stack, ids[0], 2)) == before
