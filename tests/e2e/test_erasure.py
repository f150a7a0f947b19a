"""What people wrote goes on request, out of every file; figures and the ledger stay."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from tests.e2e.conftest import CONFIG, Stack, eventually, processes_of, stack_in

from trimtab.domain.erasure import Receipt, sealed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CAKE = "Heidelbeerkuchen"
ANSWERED = "Zimtschnecke"
USER = "dana-4711"
TAG, COMMENT, ONCE = "Marzipanteam", "Quarkstrudel", "Windbeutel-4711"
SPAN, ALONE, LATE = "Baumkuchen", "Lebkuchenherz", "Rumkugel"
PLANTED = (CAKE, ANSWERED, USER, TAG, COMMENT, ONCE, SPAN, ALONE, LATE)


def ask(stack: Stack, key: str, text: str, user: str = "", **headers: str) -> str:
    body = {"model": "chat", "messages": [{"role": "user", "content": text * 30}]}
    if user:
        body["user"] = user
    status, told, _ = stack.post("/v1/chat/completions", json.dumps(body).encode(), key, headers)
    assert status == 200
    return told["x-trimtab-request-id"]


def tell(stack: Stack, key: str, trace_id: str, text: str) -> None:
    """Tell of a span as an application does, with what was asked in its content and its name."""
    value = {"stringValue": json.dumps([{"role": "user", "content": text * 20}])}
    span = {
        "traceId": trace_id,
        "spanId": os.urandom(8).hex(),
        "name": f"ask {text}",
        "startTimeUnixNano": str(time.time_ns()),
        "endTimeUnixNano": str(time.time_ns()),
        "attributes": [
            {"key": "gen_ai.input.messages", "value": value},
            {"key": "user.id", "value": {"stringValue": text}},
        ],
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    status, _, _ = stack.post("/v1/traces", json.dumps(body).encode(), key)
    assert status == 200


def say(stack: Stack, key: str, request_id: str, comment: str) -> None:
    told = {"request_id": request_id, "name": "thumbs", "score": -1, "comment": comment * 20}
    status, _, _ = stack.post("/v1/feedback", json.dumps(told).encode(), key)
    assert status == 202


def keeper_of(stack: Stack) -> int:
    [found] = [it for it, line in processes_of(stack.home).items() if " keeper" in line]
    return found


def texts_of(home: Path) -> Iterator[tuple[Path, bytes]]:
    """Give every file as it lies, and what is compressed in its tables and frames."""
    for path in sorted(home.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield path, data
        if path.suffix == ".db":
            with closing(sqlite3.connect(path)) as store:
                names = [
                    it
                    for (it,) in store.execute(
                        "SELECT name FROM sqlite_master WHERE type = 'table'"
                    )
                ]
                if "blob" in names:
                    for codec, blob in store.execute("SELECT codec, data FROM blob"):
                        yield path, blob if codec == "raw" else zstandard.decompress(blob)
        start = data.find(zstandard.FRAME_HEADER)
        while path.suffix == ".spool" and start >= 0:
            with suppress(zstandard.ZstdError):
                yield path, zstandard.ZstdDecompressor().decompressobj().decompress(data[start:])
            start = data.find(zstandard.FRAME_HEADER, start + 4)


def words_of(home: Path) -> set[str]:
    """Give all words in the indexes, whether they lead to anybody or not."""
    found: set[str] = set()
    for path in (home / "content").glob("2*.db"):
        with closing(sqlite3.connect(path)) as store:
            store.execute("CREATE VIRTUAL TABLE temp.word USING fts5vocab(main, search, row)")
            found |= {it for (it,) in store.execute("SELECT term FROM temp.word")}
    return found


def receipts(stack: Stack) -> list[Any]:
    told = stack.json("erase", "list")["erasures"]
    return [it["receipt"] for it in told if it["receipt"]]


def places_of(home: Path, *words: str) -> set[str]:
    return {
        f"{word} in {path.relative_to(home)}"
        for path, data in texts_of(home)
        for word in words
        if word.encode() in data and path.name != "up.log"
    }


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stack]:
    with stack_in(tmp_path, "--config", str(CONFIG)) as running:
        yield running


def planted(stack: Stack, key: str) -> tuple[list[str], str]:
    """Leave words wherever words can be; gives the requests, and how the first was answered."""
    names = {"x-trimtab-conversation": ANSWERED, "x-trimtab-tags": f"team={TAG}"}
    asked = [
        ask(stack, key, CAKE, USER, **names, **{"idempotency-key": f"{ONCE}-{n}"}) for n in range(3)
    ]
    for it in asked:
        stack.record(it)
    say(stack, key, asked[0], COMMENT)
    tell(stack, key, str(stack.record(asked[0])["trace_id"]), SPAN)
    tell(stack, key, "f" * 32, ALONE)
    eventually(lambda: len(stack.rows("SELECT * FROM span")) == 2, "the spans are stored")
    eventually(lambda: stack.rows("SELECT * FROM annotation"), "what was said is stored")
    eventually(lambda: CAKE.lower() in str(words_of(stack.home)), "it can be searched")
    dead = stack.home / "dead" / "recorder" / "gateway-1" / "1-1.msgpack"
    dead.parent.mkdir(parents=True)
    dead.write_bytes(f"acme {CAKE}".encode())
    answered = str(stack.content(asked[0])["output"])[60:140]
    assert len(answered) > 20
    return asked, answered


def test_erasure_is_complete(own: Stack) -> None:
    key = own.key("acme")
    asked, answered = planted(own, key)
    other = ask(own, own.key("globex"), "Apfelstrudel")
    own.record(other)
    assert {it.split(" in ")[0] for it in places_of(own.home, *PLANTED, answered)} == {
        *PLANTED,
        answered,
    } - {ONCE, LATE}
    keeper = keeper_of(own)
    os.kill(keeper, signal.SIGSTOP)
    # What no keeper has read when it is told to erase.
    ask(own, key, LATE)
    tell(own, key, "e" * 32, LATE)
    own.run("erase", "--tenant", "acme", "--reason", "GDPR art. 17", "--no-wait")
    os.kill(keeper, signal.SIGCONT)

    receipt = eventually(lambda: receipts(own), "it is carried out")[0]

    assert places_of(own.home, *PLANTED, answered) == set()
    assert not {it for it in words_of(own.home) if CAKE.lower() in it or LATE.lower() in it}
    deleted = receipt["deleted"]
    assert (deleted["spans"], deleted["annotations"] >= 1, deleted["words"] >= 3) == (3, True, True)
    records = own.rows("SELECT * FROM request WHERE tenant_id = 'acme'")
    assert receipt["deleted"]["records_scrubbed"] == len(records)
    assert receipt["deleted"]["spool_frames"] >= 6
    assert receipt["deleted"]["files_aside"] == 1
    assert receipt["kept"]["ledger_lines"] == 4
    record = own.record(asked[0])
    assert (record["content_state"], record["user_hash"], record["tags"]) == ("erased", None, None)
    assert len(own.ledger(asked[0])) == 1
    assert "Apfelstrudel" in own.content(other)["input"]
    shown = own.run("trace", asked[0], "--content", check=False)
    assert shown.returncode == 2
    assert "was erased" in shown.stderr


def test_a_receipt_is_ours_and_whole_or_refused(own: Stack) -> None:
    own.record(ask(own, own.key("acme"), CAKE))
    receipt = own.json("erase", "--tenant", "acme", "--reason", "GDPR art. 17")
    file = own.home / "receipt.json"
    file.write_text(own.run("erase", "show", receipt["receipt"]).stdout)
    assert own.run("erase", "verify", str(file)).returncode == 0
    changed = msgspec.json.decode(file.read_bytes(), type=Receipt)
    changed = msgspec.structs.replace(changed, kept={"ledger_lines": 0, "legal_hold": 0})
    for forged, why in ((changed, "its hash is another"), (sealed(changed), "not a receipt of")):
        file.write_bytes(msgspec.json.encode(forged))
        refused = own.run("erase", "verify", str(file), check=False)
        assert refused.returncode == 1
        assert why in refused.stdout + refused.stderr


def test_what_is_asked_after_an_erasure_is_kept_whole(own: Stack) -> None:
    key = own.key("acme")
    own.record(ask(own, key, CAKE, USER))
    own.json("erase", "--user", USER, "--tenant", "acme", "--reason", "asked for")
    again = ask(own, key, CAKE)
    assert CAKE in own.content(again)["input"]


def test_an_end_user_goes_and_what_others_said_alike_stays(own: Stack) -> None:
    key = own.key("acme")
    mine, theirs = ask(own, key, CAKE, USER), ask(own, key, CAKE, "somebody-else")
    own.record(mine)
    own.record(theirs)
    receipt = own.json("erase", "--user", USER, "--tenant", "acme", "--reason", "asked for")
    assert receipt["deleted"]["records_scrubbed"] == 1
    assert CAKE in own.content(theirs)["input"]
    assert own.record(mine)["content_state"] == "erased"


def test_an_erasure_that_is_killed_is_finished_at_the_next_start(own: Stack) -> None:
    key = own.key("acme")
    asked = [ask(own, key, f"{CAKE} {n}") for n in range(5)]
    for it in asked:
        own.record(it)
    stopped = keeper_of(own)
    os.kill(stopped, signal.SIGSTOP)
    # Ordered while nobody carries it out; the keeper dies before it is through.
    ordered = own.run("erase", "--tenant", "acme", "--reason", "x", "--no-wait")
    assert "ordered" in ordered.stdout
    os.kill(stopped, signal.SIGKILL)

    eventually(lambda: receipts(own), "the receipt is there")
    assert places_of(own.home, CAKE) == set()


def test_restore_reapplies_tombstones(own: Stack) -> None:
    key = own.key("acme")
    asked = ask(own, key, CAKE)
    own.record(asked)
    own.stop()
    backup = {
        path: path.read_bytes()
        for path in [*own.home.glob("records.db*"), *(own.home / "content").iterdir()]
    }
    own.start()
    own.json("erase", "--request", asked, "--reason", "asked for")
    own.stop()
    for path in [*own.home.glob("records.db*"), *(own.home / "content").iterdir()]:
        path.unlink()
    for path, data in backup.items():
        path.write_bytes(data)
    assert places_of(own.home, CAKE)
    own.start()
    assert own.record(asked)["content_state"] == "erased"
    eventually(lambda: not places_of(own.home, CAKE), "nothing of it is left")


def test_legal_hold_wins(own: Stack) -> None:
    key = own.key("acme")
    kept, gone = ask(own, key, CAKE), ask(own, key, ANSWERED)
    own.record(kept)
    own.record(gone)
    own.run("records", "keep", kept, "--reason", "CASE-12")
    refused = own.run("erase", "--request", kept, "--reason", "asked for", check=False)
    assert refused.returncode == 2
    assert "CASE-12" in refused.stderr
    receipt = own.json("erase", "--tenant", "acme", "--reason", "asked for")
    assert receipt["kept"]["legal_hold"] == 1
    assert CAKE in own.content(kept)["input"]
    for path in (own.home / "content").glob("2*.db*"):
        path.unlink()
    assert CAKE in own.content(kept)["input"]
    own.run("records", "release", "CASE-12", "--reason", "closed")
    eventually(lambda: own.record(kept)["content_state"] == "erased", "it is erased after all")
    eventually(lambda: not places_of(own.home, CAKE, ANSWERED), "nothing of it is left")
