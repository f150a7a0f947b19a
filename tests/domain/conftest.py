"""A file is the easiest way to write YAML: what `tests/settings` loads, these load too."""

from tests.settings.conftest import faults, load_text

__all__ = ["faults", "load_text"]
