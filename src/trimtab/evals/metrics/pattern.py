r"""`regex`: a pattern is found in the answer.

The engine is that of jsonschema_rs, Rust's `regex`: as RE2, it takes linear time, whatever the
pattern and the answer, and so knows neither look-around nor back-references.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jsonschema_rs
from msgspec import Struct

from trimtab.domain.yaml_tree import Wrong
from trimtab.evals.case import Case
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import (
    About,
    Answer,
    Parts,
    Score,
    failed,
    not_applicable,
    options,
    scored,
)

Found = Callable[[str], bool]


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """A pattern for every case; without it each case brings its own check."""

    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Regex:
    """Searches."""

    found: Found | None

    about = About(name="regex")

    async def score(self, case: Case, answer: Answer, _judge: Judge) -> Score:
        """See `Metric.score`."""
        found = self.found
        if found is None and case.checks.regex is not None:
            try:
                found = compiled(case.checks.regex)
            except Wrong as exc:
                return failed("no_pattern", str(exc))
        if found is None:
            return not_applicable("the case has no pattern to look for")
        return scored(found(answer.text))


def regex(given: Mapping[str, object], _parts: Parts) -> Regex:
    """Make the metric."""
    pattern = options(given, Options).pattern
    return Regex(None if pattern is None else compiled(pattern))


def compiled(pattern: str) -> Found:
    """Make a search of a pattern. Raises `Wrong` for what is none."""
    try:
        validator = jsonschema_rs.Draft202012Validator(
            {"pattern": pattern}, offline=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except ValueError as exc:
        raise Wrong(
            f"{pattern[:64]!r} is no pattern; write one without look-around and back-references"
        ) from exc
    # Half of a surrogate pair has no UTF-8, and no pattern finds it.
    return lambda text: validator.is_valid(text.encode("utf-8", "replace").decode())
