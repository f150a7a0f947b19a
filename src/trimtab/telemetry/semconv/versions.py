"""The versions that can be asked for, by the name that configuration uses."""

from collections.abc import Mapping
from enum import StrEnum

from trimtab.telemetry.semconv.base import Version
from trimtab.telemetry.semconv.genai_latest import GENAI_LATEST
from trimtab.telemetry.semconv.v1_36 import V1_36
from trimtab.telemetry.semconv.v1_41 import V1_41


class Semconv(StrEnum):
    """What a version is called."""

    V1_36 = "1.36"
    V1_41 = "1.41"
    LATEST = "genai-latest"


VERSIONS: Mapping[Semconv, Version] = {
    Semconv.V1_36: V1_36,
    Semconv.V1_41: V1_41,
    Semconv.LATEST: GENAI_LATEST,
}
DEFAULT = V1_41
