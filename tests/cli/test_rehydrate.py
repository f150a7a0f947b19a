import asyncio
import json

from msgspec.structs import replace
from tests.cli.conftest import Terminal
from tests.records import finish

from trimtab.domain.record import Finish
from trimtab.store.base.recording import Batch
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.telemetry.batch import gather
from trimtab.telemetry.spans import Source
from trimtab.telemetry.view import View


def book(terminal: Terminal, *finishes: Finish) -> None:
    store = SqliteRecording(terminal.home / ".trimtab")
    asyncio.run(store.commit(Batch(finishes=finishes)))
    store.close()


def dropped(seed: int) -> Finish:
    made = finish(seed)
    record = replace(
        made.record,
        sampling_rule="rest",
        adjusted_count=20.0,
        trace_kept=False,
        tracestate="ot=th:f333",
    )
    return replace(made, record=record)


def test_a_dropped_trace_waits_for_exporters_and_a_kept_one_was_sent(terminal: Terminal) -> None:
    gone, kept = dropped(1), finish(2)
    book(terminal, gone, kept)

    told = terminal.run("rehydrate", gone.record.request_id).stdout
    again = terminal.run("rehydrate", kept.record.request_id).stdout

    assert told == f"trace {gone.record.trace_id} of {gone.record.request_id} is exported\n"
    assert "was kept, and exported when the request ended" in again
    batch = gather(terminal.home / ".trimtab" / "spool", {}, View())
    assert {it.span.trace_id.hex() for it in batch.entries} == {gone.record.trace_id}
    assert batch.entries[0].source == Source(gone.record.worker_id, gone.record.env)


def test_a_request_that_is_not_stored_is_told(terminal: Terminal) -> None:
    book(terminal)

    assert "is not stored" in terminal.run("rehydrate", "r_01KQ2Z61CT", code=2).stderr


def test_weights_are_held_against_the_ledger(terminal: Terminal) -> None:
    book(terminal, finish(1), finish(2, sampling_rule="error"))

    told = terminal.run("telemetry", "weights", "--day", "2026-04-25").stdout
    document = json.loads(
        terminal.run("telemetry", "weights", "--day", "2026-04-25", "--json").stdout
    )

    assert "chance explains it" in told
    assert document["is_fair"]
    assert (document["error"]["n"], document["error"]["weight"]) == (1, 1.0)
    assert document["all"]["estimate_nano"] == document["all"]["cost_nano"] > 0


def test_weights_that_are_wrong_are_the_answer_no(terminal: Terminal) -> None:
    book(terminal, *(finish(seed, adjusted_count=9.0) for seed in range(30)))

    told = terminal.run("telemetry", "weights", "--day", "2026-04-25", code=1).stdout

    assert "chance does not explain it" in told
    assert "no requests on 2026-04-24" in (
        terminal.run("telemetry", "weights", "--day", "2026-04-24").stdout
    )
