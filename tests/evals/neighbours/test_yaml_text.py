from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.yaml_tree import Faults, anything, read_tree
from trimtab.evals.neighbours.yaml_text import write_yaml

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(-1e9, 1e9) | TEXT,
    lambda it: st.lists(it, max_size=3) | st.dictionaries(TEXT, it, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, VALUE, max_size=3))
def test_what_is_written_is_read_as_it_was(value: dict[str, object]) -> None:
    faults = Faults("x")
    top = read_tree(write_yaml(value), faults)

    assert not faults.found
    assert top is not None
    assert anything(top) == value


def test_blocks_are_for_people() -> None:
    cases: list[object] = [{"id": "a", "tags": []}, {"id": "b", "m": {"no": 1.5}}]
    value = {"name": "x", "cases": cases}

    assert write_yaml(value) == (
        'name: "x"\ncases:\n  - id: "a"\n    tags: []\n  - id: "b"\n    m:\n      "no": 1.5\n'
    )
