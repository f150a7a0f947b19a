"""What a version of the GenAI semantic conventions is to us: a table of names.

Names still change between versions, so they come from tables of ours and never from the
constants of a package.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the conventions.

    Attributes:
        schema_url: Tells receivers which version the names of a scope are.
        names: Our word to the attribute's name; a word without a name is not exported.
        evaluation: The same of what an evaluation found.
        content: The same of what people and models wrote. Without any, each message is an event.
    """

    schema_url: str
    names: Mapping[str, str]
    evaluation: Mapping[str, str]
    content: Mapping[str, str] = field(default_factory=dict[str, str])

    def without(self, forbidden: Collection[str]) -> "Version":
        """Leave out names that a receiver takes for something else."""
        kept = {ours: name for ours, name in self.names.items() if name not in forbidden}
        return replace(self, names=kept)
