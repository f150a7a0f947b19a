"""What calibration says of the judges of a run."""

from pathlib import Path

from trimtab.evals.calibration import calibration_beside, read_calibrations, validity
from trimtab.evals.labels import labels_beside, read_labels
from trimtab.evals.result import Run
from trimtab.evals.terms import Standing, Standings


def standings(run: Run, now_us: int) -> Standings:
    """Look up the calibrations beside the suite of a run.

    Raises:
        SettingsInvalid: a file of them, or of the labels they were made of, is malformed.
    """
    manifest = Path(run.file)
    made = read_calibrations(calibration_beside(manifest))
    labels = read_labels(labels_beside(manifest))
    said = {it.metric: it.said for it in made}
    return {
        metric: Standing(valid=why is None, said=why or said[metric])
        for metric, why in validity(run, made, now_us, labels or None).items()
    }
