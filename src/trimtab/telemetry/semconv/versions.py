"""The versions that can be asked for, by the name that configuration uses."""

from collections.abc import Mapping

from trimtab.telemetry.semconv.base import Version
from trimtab.telemetry.semconv.v1_41 import V1_41

VERSIONS: Mapping[str, Version] = {"1.41": V1_41}
DEFAULT = V1_41
