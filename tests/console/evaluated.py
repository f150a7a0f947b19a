"""What the keeper has of evals in these tests: two suites, labels, and judges held against them."""

from datetime import timedelta

from msgspec.structs import replace
from tests.evals.labelled import PROMPTS, labels_of, run_of, values

from trimtab.evals.calibrate import calibrate
from trimtab.evals.calibration import Calibration
from trimtab.evals.desk import Desk
from trimtab.evals.metrics.base import Score, scored
from trimtab.evals.result import Run, write_run

JUDGED = [1.0, 0.75, 0.0, 0.25] * 25
PEOPLE = [it if at % 7 else 1 - it for at, it in enumerate(JUDGED)]
RAG = run_of(values(JUDGED), baseline=values([0.123456] * 100))
LABEL = f"/console/evals/label/{RAG.run_id}/faithfulness"
SUPPORT = replace(
    run_of([scored(0, label="answers") for _ in range(100)], "refuses", suite="support"),
    run_id="ev_01JXC4000B",
)


def store(desk: Desk, run: Run) -> None:
    desk.folder.mkdir(parents=True, exist_ok=True)
    (desk.folder / f"{run.run_id}.json").write_bytes(write_run(run))


def calibrated(run: Run, metric: str, now_us: int, *people: list[float]) -> Calibration:
    labels = labels_of(*people, metric=metric)
    (made,) = calibrate(run, labels, {metric: PROMPTS[metric]}, now_us, 200)
    return made


def always(value: float) -> list[Score]:
    return values([value] * 100)


def fill_evals(desk: Desk, now_us: int) -> None:
    """A valid judge, one that always says no, and one that nobody has looked at."""
    rubric = replace(
        run_of(values([0.5, 1] * 50), "rubric", suite="tone", options={"rubric": "5 is good"}),
        run_id="ev_01JXC4000C",
    )
    for run in (RAG, SUPPORT, rubric):
        store(desk, run)
    desk.keep("rag-golden", [calibrated(RAG, "faithfulness", now_us, JUDGED, PEOPLE)])
    rare = [0.0] * 82 + [1.0] * 18
    desk.keep("support", [calibrated(SUPPORT, "refuses", now_us, rare, rare)])
    for it in labels_of(PEOPLE[:7]):
        desk.add("rag-golden", replace(it, at=it.at + timedelta(seconds=1)))
