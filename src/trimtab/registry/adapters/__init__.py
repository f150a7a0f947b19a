"""Foreign prompt formats, one module each. Nothing is dropped silently: see `base`."""

from pkgutil import resolve_name

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.yaml_tree import nearest
from trimtab.registry.adapters.base import Adapter

FORMATS = {
    "dotprompt": "trimtab.registry.adapters.dotprompt:ADAPTER",
    "langfuse": "trimtab.registry.adapters.langfuse:ADAPTER",
    "langsmith": "trimtab.registry.adapters.langsmith:ADAPTER",
    "mlflow": "trimtab.registry.adapters.mlflow:ADAPTER",
    "prompty": "trimtab.registry.adapters.prompty:ADAPTER",
}
"""Where the adapter of each format is."""


def adapter(name: str) -> Adapter:
    """Load the adapter of a format. Raises `SettingsInvalid` if there is none."""
    if name not in FORMATS:
        raise SettingsInvalid(f"format {name[:64]!r} is not known; {nearest(name, FORMATS)}")
    found: Adapter = resolve_name(FORMATS[name])
    return found
