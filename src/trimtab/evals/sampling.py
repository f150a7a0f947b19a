"""Which live requests are judged: a choice that can be made again, and its probability."""

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256

from trimtab.domain.record import Origin, RequestRecord, Status
from trimtab.store.base.reading import Stratum
from trimtab.store.rollup import DAY_US

NOT_FLAGGED = "allow"

_HASHES = 1 << 64


def can_be_judged(record: RequestRecord) -> bool:
    """Whether users asked it, and what they asked and were answered is kept."""
    is_kept = record.input_ref is not None and record.output_ref is not None
    return record.origin == Origin.LIVE and record.status == Status.OK and is_kept


class Sampler:
    """Chooses. State: how many of each stratum were chosen on the newest day seen."""

    def __init__(self, rate: float, at_least: int) -> None:
        """Begin with nothing chosen.

        Args:
            rate: Share of ordinary requests, 0 to 1.
            at_least: So many of each stratum are chosen in any case on each UTC day.
        """
        self._rate = rate
        self._at_least = at_least
        self._day = 0
        self._chosen = Counter[Stratum]()

    def know(self, day_us: int, chosen: Mapping[Stratum, int]) -> None:
        """Learn what was chosen of a day before."""
        self._turn_page(day_us)
        self._chosen.update(chosen)

    def probability(self, record: RequestRecord) -> float | None:
        """Tell with which probability a request is chosen; `None` if it is not.

        In a rate, it stands for 1/probability requests.
        """
        self._turn_page(record.ts_us)
        stratum = Stratum(record.prompt_name or "", record.tier)
        is_wanted = record.experiment is not None or record.guardrail_decision != NOT_FLAGGED
        if is_wanted or self._chosen[stratum] < self._at_least:
            probability = 1.0
        elif _place(record.request_id) < self._rate:
            probability = self._rate
        else:
            return None
        self._chosen[stratum] += 1
        return probability

    def _turn_page(self, ts_us: int) -> None:
        day = ts_us // DAY_US
        if day > self._day:
            self._day = day
            self._chosen.clear()


def _place(request_id: str) -> float:
    """Give a place from 0 to 1 that only the id decides."""
    hashed = sha256(f"online judge/{request_id}".encode()).digest()
    return int.from_bytes(hashed[:8]) / _HASHES
