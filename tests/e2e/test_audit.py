"""Who read content, on real processes: by API and by command, never unseen."""

import pytest
from tests.e2e.conftest import Stack
from tests.e2e.raw_http import chat, request, send

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


def test_every_look_at_content_is_a_row_wherever_it_came_from(stack: Stack, key: str) -> None:
    request_id = send(stack.port, request(key, chat())).request_id
    asked = stack.content(request_id)["input"]

    traced = stack.json("trace", request_id, "--content")
    stack.json("trace", request_id)

    assert traced["input"] == asked
    rows = [it for it in stack.admin("audit")["readings"] if it["request_id"] == request_id]
    assert [(it["source"], it["what"], it["tenant_id"]) for it in rows] == [
        ("cli", "content", "acme"),
        ("api", "content", "acme"),
    ]
    assert rows[0] in stack.json("audit", "list")["readings"]
