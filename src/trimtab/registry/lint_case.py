"""A prompt file under lint, with all that it is judged against."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.mustache import sections_in_mustache
from trimtab.domain.prompt import Content, Engine, Message, PromptVersion, RegistryPolicy
from trimtab.registry.finding import Finding, found
from trimtab.registry.format import PromptFile
from trimtab.registry.partials import Lookup, flatten

Names = Callable[[Engine, str], frozenset[str]]
"""Names the variables that a text needs. Raises `SettingsInvalid`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a file is judged against.

    Attributes:
        names: Tells which variables a text needs, for every engine that the site renders.
        lookup: Finds published versions.
        looks_secret: Whether a text holds what should not be in a file.
        published: Versions of the prompt.
        others: The newest version of each other prompt.
        served: Labels that point at a version of the prompt.
    """

    names: Names
    lookup: Lookup
    looks_secret: Callable[[str], bool]
    policy: RegistryPolicy
    published: Sequence[PromptVersion] = ()
    others: Sequence[PromptVersion] = ()
    served: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Case:
    """A file and its surroundings."""

    file: PromptFile
    around: Surroundings

    @cached_property
    def flat(self) -> Content | None:
        """What it would be published as; `None` if partials cannot be filled in."""
        try:
            return flatten(self.file.content, self.file.partials, self.around.lookup)
        except SettingsInvalid:
            return None

    @property
    def content(self) -> Content:
        """What it says, as far as that is known."""
        return self.flat or self.file.content

    @cached_property
    def candidate(self) -> PromptVersion | None:
        """The version it would become."""
        return None if self.flat is None else self.file.published_as(self.flat)

    @property
    def texts(self) -> Iterator[tuple[str, Message, str]]:
        """Walk the texts, partials filled in: path, message, and the text alone."""
        content = self.content
        for number, message in enumerate(content.said):
            path = "template" if content.template is not None else f"messages[{number}].content"
            if message.content is not None:
                yield path, message, message.content

    def said(self, text: str) -> frozenset[str]:
        """Name every variable that a text could say, in sections too.

        Raises:
            SettingsInvalid: it cannot be read.
        """
        if self.content.engine is Engine.MUSTACHE:
            return sections_in_mustache(text)
        return self.around.names(self.content.engine, text)

    def at(self, rule: str, path: str, message: str, needle: str = "") -> Finding:
        """Make a finding at the first line of a member that holds the needle."""
        member = self.file.line(path)
        line = member
        if needle:
            rest = self.file.text.split("\n")[member - 1 :]
            line += next((number for number, it in enumerate(rest) if needle in it), 0)
        return found(rule, self.file.path, line, message, member=member)
