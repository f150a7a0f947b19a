import random
import re
from pathlib import Path
from shutil import copytree

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.telemetry.shapes import (
    GOLDEN,
    GOLDENS,
    SHAPES,
    answered,
    attempt,
    golden,
    main,
    record,
)

import trimtab
from trimtab.domain.ids import span_id
from trimtab.domain.record import Blob, Finish
from trimtab.telemetry.facts import FIELDS, facts
from trimtab.telemetry.semconv import DEFAULT, VERSIONS, Semconv
from trimtab.telemetry.spans import MAX_SPANS, Source, render, resource_spans

Read = str | float | list[str]


def read(slot: AnyValue) -> Read:
    match slot.WhichOneof("value"):
        case "string_value":
            return slot.string_value
        case "bool_value":
            return slot.bool_value
        case "int_value":
            return slot.int_value
        case "double_value":
            return slot.double_value
        case _:
            return [each.string_value for each in slot.array_value.values]


def attributes(what: Span | Resource) -> dict[str, Read]:
    read_back = {pair.key: read(pair.value) for pair in what.attributes}
    assert len(read_back) == len(what.attributes), "a name is there twice"
    return read_back


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shape", GOLDENS)
def test_every_shape_renders_as_its_golden_file(shape: str, version: Semconv) -> None:
    expected = (GOLDEN / version / f"{shape}.json").read_text()

    assert golden(shape, version) == expected


def test_no_golden_file_is_left_over() -> None:
    files = {str(it.relative_to(GOLDEN)) for it in GOLDEN.rglob("*.json")}

    assert files == {f"{version}/{shape}.json" for version in VERSIONS for shape in GOLDENS}


def test_a_golden_file_changes_only_if_that_is_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copytree(GOLDEN, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "1.36" / "tools.json"
    file.write_text(file.read_text().replace("gen_ai.system", "gen_ai.vendor"))
    before = file.read_text()

    assert main(tmp_path, accept=False) == 1
    assert file.read_text() == before
    assert re.search(r'^- +"key": "gen_ai.vendor",$', capsys.readouterr().out, re.MULTILINE)
    main(tmp_path, accept=True)

    assert file.read_text() == golden("tools", Semconv.V1_36)
    assert main(tmp_path, accept=False) == 0


def test_no_name_comes_from_a_package() -> None:
    """Constants of a package go with its release; ours go with the version that is asked for."""
    source = Path(trimtab.__file__).parent
    for file in source.rglob("*.py"):
        assert "opentelemetry.semconv" not in file.read_text(), file


def test_1_36_has_the_old_names_and_only_those() -> None:
    said = attributes(render(answered(stream=True), VERSIONS[Semconv.V1_36])[-1])

    assert {it for it in said if it.startswith("gen_ai.")} == {
        "gen_ai.system",
        "gen_ai.operation.name",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "gen_ai.response.id",
        "gen_ai.response.finish_reasons",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    }


def test_the_latest_names_what_is_written_to_a_cache_anew_and_never_both_ways() -> None:
    said = attributes(render(SHAPES["cached"], VERSIONS[Semconv.LATEST])[-1])

    assert said["gen_ai.usage.cache_write.input_tokens"] == 2_000
    assert "gen_ai.usage.cache_creation.input_tokens" not in said


def test_the_root_span_says_what_the_record_says_for_a_thousand_random_requests() -> None:
    # Repeatable on purpose: nothing made of it is a secret.
    chance = random.Random(7)  # noqa: S311
    for seed in range(1000):
        finish = answered(
            seed,
            status=chance.choice(["ok", "error", "blocked", "rejected", "cancelled", "truncated"]),
            http_status=chance.choice([200, 400, 429, 503]),
            error_code=chance.choice([None, "budget_exhausted", "provider_error"]),
            feature=chance.choice(["search", "Sümpfe", ""]),
            input_tokens=chance.choice([None, 0, chance.randrange(1 << 40)]),
            output_tokens=chance.choice([None, 0, chance.randrange(1 << 40)]),
            cost_nano=chance.choice([None, 0, chance.randrange(1 << 50)]),
            ttft_us=chance.choice([None, 0, 412_001]),
            latency_us=chance.randrange(1 << 30),
            fallback_used=chance.random() < 0.5,
            prompt_name=chance.choice([None, "rag-answer"]),
        )

        said = attributes(render(finish, DEFAULT)[0])

        assert said == facts(finish.record)
        for field, name in FIELDS.items():
            assert said.get(name) == getattr(finish.record, field), field


def test_the_root_lasts_as_long_as_the_request() -> None:
    root = render(answered(), DEFAULT)[0]

    assert root.kind == Span.SPAN_KIND_SERVER
    assert root.end_time_unix_nano - root.start_time_unix_nano == 2_340_000_000
    assert root.parent_span_id == b""


def test_the_caller_s_span_is_the_parent_of_the_root() -> None:
    root = render(answered(parent_span_id="00f067aa0ba902b7", tracestate="a=b"), DEFAULT)[0]

    assert root.parent_span_id.hex() == "00f067aa0ba902b7"
    assert root.trace_state == "a=b"
    assert root.flags == 0x301


def test_ids_are_those_derived_from_the_record() -> None:
    finish = SHAPES["fallback"]
    request, root, *others = finish.record.request_id, *render(finish, DEFAULT)

    assert root.span_id.hex() == finish.record.span_id == span_id(request, "request")
    assert {span.name: span.span_id.hex() for span in others[:2]} == {
        "trimtab.admit": span_id(request, "stage/admit"),
        "trimtab.plan": span_id(request, "stage/plan"),
    }
    assert [span.span_id.hex() for span in others[-2:]] == [
        span_id(request, "attempt/1"),
        span_id(request, "attempt/2"),
    ]
    assert {span.parent_span_id for span in others} == {root.span_id}
    assert {span.trace_id.hex() for span in others} == {finish.record.trace_id}


def test_tokens_and_cost_have_gen_ai_names_on_attempts_alone() -> None:
    for finish in SHAPES.values():
        for span in render(finish, DEFAULT):
            has = any(name.startswith("gen_ai.") for name in attributes(span))
            assert has == (span.kind == Span.SPAN_KIND_CLIENT)


def test_the_answer_belongs_to_the_last_attempt() -> None:
    *_, first, last = render(SHAPES["fallback"], DEFAULT)
    failed, answer = attributes(first), attributes(last)

    assert first.name == last.name == "chat claude-sonnet-4-6"
    assert failed["error.type"] == "provider_overloaded"
    assert not failed.keys() & {"gen_ai.response.id", "gen_ai.usage.reasoning.output_tokens"}
    assert answer["gen_ai.response.id"] == "msg_01"
    assert answer["gen_ai.response.finish_reasons"] == ["stop"]
    assert answer["gen_ai.usage.input_tokens"] == 4123
    assert answer["gen_ai.usage.cache_read.input_tokens"] == 3800
    assert answer["trimtab.attempt.cost.nano_usd"] == 9_414_000


def test_the_first_chunk_is_an_event_where_it_came() -> None:
    span = render(answered(), DEFAULT)[-1]

    (event,) = span.events
    assert event.name == "first_chunk"
    assert event.time_unix_nano == span.start_time_unix_nano + 408_000_000
    assert attributes(span)["gen_ai.response.time_to_first_chunk"] == 0.408


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        ("ok", False),
        ("blocked", False),
        ("rejected", False),
        ("cancelled", False),
        ("error", True),
        ("truncated", True),
        ("lost", True),
    ],
)
def test_only_a_failure_is_an_error(status: str, *, failed: bool) -> None:
    root = render(answered(status=status, error_code="some_code"), DEFAULT)[0]

    assert root.status.code == (Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_OK)
    assert attributes(root).get("error.type") == ("some_code" if failed else None)
    assert attributes(root)["trimtab.status"] == status


def test_a_request_has_at_most_64_spans_and_says_how_many_were_folded() -> None:
    tries = tuple(attempt(n) for n in range(1, 101))
    finish = Finish(record=record(), detail=answered().detail, attempts=tries)

    spans = render(finish, DEFAULT)

    calls = [span for span in spans if span.kind == Span.SPAN_KIND_CLIENT]
    assert len(spans) == MAX_SPANS
    assert attributes(calls[0])["trimtab.collapsed"] == 100 - len(calls) + 1
    assert attributes(calls[-1])["trimtab.attempt.n"] == 100
    assert not any("trimtab.collapsed" in attributes(span) for span in calls[1:])


def test_long_texts_are_cut_alike_in_facts_and_span() -> None:
    finish = answered(feature="x" * 5000)
    root = render(finish, DEFAULT)[0]

    assert attributes(root)["trimtab.feature"] == "x" * 1024
    assert attributes(root) == facts(finish.record)


def test_content_is_in_no_span() -> None:
    finish = Finish(
        record=record(params='{"stop":["planted"]}', tags='{"a":"planted"}'),
        attempts=(attempt(),),
        content=(Blob(b"r" * 32, "raw", b"planted"),),
    )

    spans = render(finish, DEFAULT)

    assert not any(b"planted" in span.SerializeToString() for span in spans)


def test_what_is_configured_wins_over_our_resource() -> None:
    resource = {"service.name": "shop", "service.version": "0.1.0"}

    grouped = resource_spans(Source("w2", "staging"), [], resource, DEFAULT)

    assert attributes(grouped.resource) == {
        "service.name": "shop",
        "service.version": "0.1.0",
        "service.instance.id": "w2",
        "deployment.environment.name": "staging",
    }
    assert grouped.scope_spans[0].schema_url == "https://opentelemetry.io/schemas/1.41.0"
    assert grouped.scope_spans[0].scope.name == "trimtab"


def test_an_id_that_is_not_hex_is_refused() -> None:
    with pytest.raises(ValueError, match="hex"):
        render(answered(trace_id="nonsense"), DEFAULT)
