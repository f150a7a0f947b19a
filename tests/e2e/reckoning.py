"""The ledger held against the simulator's bill, line by line."""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.e2e.mixed import number_of

EXACT = ("provider", "none")
_UNIQUE = re.compile(r".*[-_]")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ledger line that is marked as a guess, beside what was billed; no bill line is `None`."""

    line: dict[str, Any]
    record: dict[str, Any]
    billed: dict[str, Any] | None

    @property
    def why(self) -> str:
        if self.record["status"] == "lost" and self.line["kind"] == "orphan":
            return "lost"
        return str(self.record["status"])

    @property
    def off_nano(self) -> int:
        billed = 0 if self.billed is None else self.billed["cost_nano"]
        return int(self.line["cost_nano"] - billed)


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What came out of it.

    Attributes:
        exact: Lines that are equal to the bill, to the nano-dollar.
        wrong: Lines that say they are exact, and are not: the line and what was billed.
        estimates: Lines that say they are guesses.
        unknown: Billed calls for which there is no ledger line.
    """

    exact: int
    wrong: list[tuple[dict[str, Any], int]]
    estimates: list[Estimate]
    unknown: list[dict[str, Any]]


def reckon(
    records: list[dict[str, Any]], ledger: list[dict[str, Any]], bill: list[dict[str, Any]]
) -> Reckoning:
    """Find each line's billed call: by the provider's id, else by the number of the call."""
    of_request = {record["request_id"]: record for record in records}
    by_id = {_UNIQUE.sub("", line["id"]): line for line in bill}
    exact, wrong = 0, list[tuple[dict[str, Any], int]]()
    guessed: list[tuple[dict[str, Any], dict[str, Any] | None]] = []
    for line in ledger:
        unique = (line["provider_request_id"] or "").removeprefix("req_")
        billed = by_id.pop(unique, None)
        if line["usage_source"] not in EXACT:
            guessed.append((line, billed))
        elif line["cost_nano"] == (cost := billed["cost_nano"] if billed else 0):
            exact += 1
        else:
            wrong.append((line, cost))
    left: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for billed in by_id.values():
        left[billed["user"]].append(billed)
    estimates: list[Estimate] = []
    for line, billed in guessed:
        record = of_request[line["request_id"]]
        rest = left[f"call-{number_of(record['trace_id'])}"]
        if billed is None and not line["provider_request_id"] and rest:
            billed = rest.pop(0)  # noqa: PLW2901 -- found now
        estimates.append(Estimate(line, record, billed))
    return Reckoning(exact, wrong, estimates, [it for rest in left.values() for it in rest])
