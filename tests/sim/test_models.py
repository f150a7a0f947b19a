import pytest

from trimtab.sim.models import LARGE, REASONER, SMALL, another, find


@pytest.mark.parametrize(
    ("name", "dated"),
    [
        pytest.param("sim/large", "sim/large-2026-01-15", id="prefixed"),
        pytest.param("large", "sim/large-2026-01-15", id="bare"),
        pytest.param("large-2025-12-01", "sim/large-2025-12-01", id="dated"),
        pytest.param("sim/large-2025-12-01", "sim/large-2025-12-01", id="prefixed and dated"),
    ],
)
def test_a_model_is_found_by_any_of_its_names(name: str, dated: str) -> None:
    served = find(name)

    assert served is not None
    assert served == (LARGE, dated)


@pytest.mark.parametrize("name", ["", "sim/", "huge", "large-2026", "other/large", "large-drifted"])
def test_other_names_are_no_models(name: str) -> None:
    assert find(name) is None


@pytest.mark.parametrize("model", [SMALL, LARGE, REASONER])
def test_another_model_is_never_the_same(model: object) -> None:
    served = find("small" if model is SMALL else "large")
    assert served is not None

    assert another(served) != served.dated
