"""The admin API, asked whatever its own description allows, and what it forbids."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks
from tests.e2e.conftest import ADMIN_KEY, CONFIG, Stack, stack_in
from tests.e2e.fuzzing import FACTOR, patience_s

from trimtab.console.app import CALLS
from trimtab.console.openapi import Call, document

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(patience_s(120))]

SCHEMA: Any = schemathesis.openapi.from_dict(json.loads(document(CALLS)))
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
load_all_checks()


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Trimtab that may be harmed: to suspend the whole site is a call like any other."""
    home = tmp_path_factory.mktemp("fuzz-admin")
    with stack_in(home, "--config", str(CONFIG)) as running:
        key = running.key()
        running.post(
            "/v1/chat/completions",
            b'{"model":"chat","messages":[{"role":"user","content":"hi"}]}',
            key,
        )
        yield running


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_whatever_a_call_is_asked_it_answers_as_described(admin: Stack, call: Call) -> None:
    operation = SCHEMA[call.path][call.method]
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in MODES))
    session = requests.Session()

    @settings(
        max_examples=round(12 * FACTOR),
        deadline=None,
        derandomize=FACTOR == 1,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        phases=(Phase.generate,),
        database=None,
    )
    @given(case=cases)
    def ask(case: Case[Any]) -> None:
        answer = case.call(
            base_url=admin.url,
            session=session,
            headers={"authorization": f"Bearer {ADMIN_KEY}"},
            timeout=20,
        )
        told = answer.content.decode()
        assert answer.status_code < 500, f"{case.as_curl_command()}\n{told}"
        assert "Traceback" not in told
        if answer.status_code >= 400 and answer.headers["content-type"][0].startswith(
            "application/json"
        ):
            assert set(json.loads(told)) == {"error"}

    ask()
    assert "Traceback" not in admin.log()
