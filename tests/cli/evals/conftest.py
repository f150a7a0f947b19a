"""The same shop that prompts are tested with: a verdict is about one of its versions."""

from tests.cli.prompts.conftest import project, shop

__all__ = ["project", "shop"]
