"""The models the simulator has, what they cost and how they are named.

A name may come with or without the `sim/` prefix and with or without a date; the answer always
names a dated model, as providers do.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from typing import NamedTuple

PREFIX = "sim/"
RELEASE = "2026-01-15"
RELEASED_S = 1_768_435_200

_NANO_PER_USD = 1_000_000_000
_DATED = re.compile(r"(.+)-(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """USD per million tokens, as decimal text: what `prices.overrides` of the settings takes."""

    input: str
    cache_read: str
    cache_write_5m: str
    cache_write_1h: str
    output: str
    nano: "NanoPrices" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        nano = NanoPrices(
            *(
                int(Decimal(text) * _NANO_PER_USD)
                for text in (
                    self.input,
                    self.cache_read,
                    self.cache_write_5m,
                    self.cache_write_1h,
                    self.output,
                )
            )
        )
        object.__setattr__(self, "nano", nano)

    def table(self) -> dict[str, str]:
        """Give the prices as an entry of `prices.overrides`."""
        return {
            "input": self.input,
            "cache_read": self.cache_read,
            "cache_write_5m": self.cache_write_5m,
            "cache_write_1h": self.cache_write_1h,
            "output": self.output,
        }


class NanoPrices(NamedTuple):
    """The same in nano-USD per million tokens."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int


class Task(Enum):
    """What a model is for."""

    WRITE = auto()
    EMBED = auto()
    MODERATE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model; `context` is the most input tokens."""

    name: str
    prices: Prices
    context: int
    reasons: bool = False
    task: Task = Task.WRITE


SMALL = Model(
    name="sim/small",
    context=128_000,
    prices=Prices(
        input="0.15",
        cache_read="0.075",
        cache_write_5m="0.1875",
        cache_write_1h="0.30",
        output="0.60",
    ),
)
LARGE = Model(
    name="sim/large",
    context=200_000,
    prices=Prices(
        input="3", cache_read="0.30", cache_write_5m="3.75", cache_write_1h="6", output="15"
    ),
)
REASONER = Model(
    name="sim/reasoner",
    context=200_000,
    reasons=True,
    prices=Prices(
        input="2", cache_read="0.5", cache_write_5m="2.5", cache_write_1h="4", output="8"
    ),
)
EMBED = Model(
    name="sim/embed",
    context=8_192,
    task=Task.EMBED,
    prices=Prices(
        input="0.02",
        cache_read="0.02",
        cache_write_5m="0.02",
        cache_write_1h="0.02",
        output="0",
    ),
)
MODERATION = Model(
    name="sim/moderation",
    context=32_768,
    task=Task.MODERATE,
    prices=Prices(input="0", cache_read="0", cache_write_5m="0", cache_write_1h="0", output="0"),
)
MODELS = {model.name: model for model in (SMALL, LARGE, REASONER, EMBED, MODERATION)}


class Served(NamedTuple):
    """A model and the dated name an answer gives it."""

    model: Model
    dated: str


def find(name: str, task: Task | None = None) -> Served | None:
    """Find a model by any of its names; `None` if there is none, or none for that task."""
    full = name if name.startswith(PREFIX) else PREFIX + name
    dated = _DATED.fullmatch(full)
    model = MODELS.get(dated[1] if dated else full)
    if model is None or task not in (None, model.task):
        return None
    return Served(model, full if dated else f"{full}-{RELEASE}")


def another(served: Served) -> str:
    """Name a dated model that is not the one served."""
    model = SMALL if served.model is not SMALL else LARGE
    return f"{model.name}-{RELEASE}"
