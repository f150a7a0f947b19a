"""What calibration says of the judges of a run."""

from trimtab.evals.result import Run
from trimtab.evals.terms import Standings


def standings(_run: Run, _now_us: int) -> Standings:
    """Look up the calibrations beside the suite of a run."""
    return {}
