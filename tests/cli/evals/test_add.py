import asyncio
import hmac
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from tests.cli.conftest import Terminal
from tests.evals.suites import row, written
from tests.records import finish

from trimtab import wiring
from trimtab.domain.record import Blob, Piece
from trimtab.evals.manifest import read_suite
from trimtab.store.base.recording import Batch, StoredBlob
from trimtab.store.sqlite.recording import SqliteRecording

ASKED = {"messages": [{"role": "user", "content": "Is it refundable? Write to mia@acme.io"}]}


@pytest.fixture
def served(company: Terminal) -> str:
    """A request whose content is kept."""
    home = company.home / ".trimtab"
    return _store(company, hmac.digest(wiring.tenant_keys(home)("acme"), _body(), sha256))


@pytest.fixture
def suite(terminal: Terminal) -> Path:
    return written(terminal.home, "", [row(0), row(1)])


def _body() -> bytes:
    return msgspec.json.encode(ASKED)


def _store(company: Terminal, ref: bytes | None) -> str:
    made = finish(7, tenant_id="acme", input_ref=ref)
    blobs = []
    if ref is not None:
        manifest = Blob(ref, "raw", msgspec.msgpack.encode([Piece(is_ref=False, data=_body())]))
        blobs = [StoredBlob("acme", made.record.ts_us, manifest)]
    with closing(SqliteRecording(company.home / ".trimtab")) as store:
        asyncio.run(store.commit(Batch(finishes=(made,), blobs=tuple(blobs))))
    return made.record.request_id


def add(terminal: Terminal, request_id: str, *more: str, code: int = 0) -> str:
    words = ("evals", "add-case", request_id, "--dataset", "suite.yaml", "--expect", "No", *more)
    result = terminal.run(*words, code=code)
    return result.stdout + result.stderr


def test_a_request_becomes_a_case(company: Terminal, served: str, suite: Path) -> None:
    said = add(company, served, "--tag", "regression", "--incident", "i_7").splitlines()

    assert said[0] == "redacted: EMAIL x1   contexts: live   near-duplicate: none"
    case = read_suite(suite).cases[-1]
    assert said[1] == f"appended {case.id} to cases.jsonl"
    assert case.input == {"question": "Is it refundable? Write to [EMAIL]"}
    assert (case.expected, case.tags) == ("No", ("regression",))
    assert case.provenance.incident_id == "i_7"
    assert case.provenance.request_id == served


def test_who_read_it_is_a_row_of_the_audit(company: Terminal, served: str, suite: Path) -> None:
    add(company, served[:14])

    [reading] = company.json("audit", "list")["readings"]
    assert (reading["what"], reading["request_id"]) == ("content", served)
    assert len(read_suite(suite).cases) == 3


@pytest.mark.usefixtures("suite")
def test_the_same_request_is_no_second_case(company: Terminal, served: str) -> None:
    add(company, served)

    assert "asks nearly the same; change that, or pass --anyway" in add(company, served, code=2)
    assert "already; change it there" in add(company, served, "--anyway", code=2)


def test_what_is_not_kept_is_no_case(company: Terminal, suite: Path) -> None:
    request_id = _store(company, None)

    assert "asked is not kept" in add(company, request_id, code=2)
    assert "is not stored; look at its id" in add(company, "r_none", code=2)
    assert len(read_suite(suite).cases) == 2
