import pytest
from msgspec.structs import replace
from tests.telemetry.shapes import TS_US, record

from trimtab.domain.annotation import PREFIX, Annotation, annotation_id, latest
from trimtab.domain.ids import ulid_ms

FIRST = Annotation(
    annotation_id="n_1",
    request_id="r_1",
    tenant_id="acme",
    ts_us=TS_US,
    kind="evaluation",
    name="refuses",
    source="judge",
)
LATER = replace(FIRST, annotation_id="n_2", score=1.0, author="sim/large", version="2")


def test_the_last_of_a_kind_corrects_those_before() -> None:
    assert latest([FIRST, LATER]) == (LATER,)
    assert latest([]) == ()


@pytest.mark.parametrize(
    "fields",
    [{"request_id": "r_2"}, {"kind": "label"}, {"name": "helpful"}, {"source": "reviewer"}],
)
def test_what_is_of_another_kind_corrects_nothing(fields: dict[str, str]) -> None:
    other = replace(LATER, **fields)

    assert latest([FIRST, other]) == (FIRST, other)


def test_an_id_is_made_of_the_request_and_what_was_said_and_sorts_by_time() -> None:
    one = annotation_id(record(), "evaluation", "refuses")

    assert one == annotation_id(record(), "evaluation", "refuses")
    assert one.startswith(PREFIX)
    assert ulid_ms(one) == TS_US // 1000
    others = [
        annotation_id(record(8), "evaluation", "refuses"),
        annotation_id(record(), "evaluation", "helpful"),
        annotation_id(record(), "evaluationrefuses"),
    ]
    assert len({one, *others}) == 4
