import asyncio
from contextlib import closing

import pytest
from tests.cli.conftest import Terminal
from tests.cli.test_rehydrate import book
from tests.records import finish

from trimtab import wiring
from trimtab.domain.record import Finish
from trimtab.store.base.recording import OpenRequest
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.spool import Spool, claim
from trimtab.testing import FrozenClock

REQUEST = finish(1).record.request_id


def lose(request: OpenRequest) -> Finish:
    raise AssertionError(f"{request} is none of ours")


async def record(terminal: Terminal) -> None:
    """Store what was said, as the keeper does."""
    home = terminal.home / ".trimtab"
    spool = Spool(claim(home / "spool", "keeper"), FrozenClock())
    with closing(wiring.ledger(home)) as store, closing(spool):
        recorder = Recorder(home, store, spool, lose)
        await recorder.start()
        while await recorder.step():
            pass


def test_what_is_said_of_a_request_is_found_and_shown_and_can_be_corrected(
    company: Terminal,
) -> None:
    book(company, finish(1, tenant_id="acme"), finish(2))

    for label in ("hallucination", "off_topic"):
        told = company.run(
            "annotate", REQUEST[:20], "--name", "bad_answer", "--label", label, "--text", label
        ).stdout
        assert told.startswith(f"{REQUEST} is annotated: bad_answer, by ")
    asyncio.run(record(company))

    shown = company.run("trace", REQUEST, "--content").stdout
    assert "label  bad_answer  off_topic  by reviewer" in shown
    assert "why bad_answer\noff_topic" in shown
    assert "hallucination" not in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--name", "a"], "no score, label or text"),
        (["--name", "A b", "--score", "1"], "that cannot be said"),
        (["--name", "a", "--score", "nan"], "that cannot be said"),
    ],
)
def test_what_cannot_be_said_is_refused(company: Terminal, arguments: list[str], told: str) -> None:
    book(company, finish(1, tenant_id="acme"))

    assert told in company.run("annotate", REQUEST, *arguments, code=2).stderr


def test_a_request_that_is_not_stored_cannot_be_annotated(company: Terminal) -> None:
    book(company)

    assert "is not stored" in company.run("annotate", REQUEST, "--name", "a", code=2).stderr
