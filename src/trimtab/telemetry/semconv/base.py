"""What a version of the GenAI semantic conventions is to us: a table of names.

Names still change between versions, so they come from tables of ours and never from the
constants of a package.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the conventions.

    Attributes:
        schema_url: Tells receivers which version the names of a scope are.
        names: Our word to the attribute's name; a word without a name is not exported.
        evaluation: The same of what an evaluation found.
    """

    schema_url: str
    names: Mapping[str, str]
    evaluation: Mapping[str, str]
