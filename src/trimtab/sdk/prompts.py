"""Typed wrappers: what generated modules are made of. Needs the extra `sdk`, which is pydantic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from trimtab.domain.errors import PromptShapeError, PromptVariablesInvalid
from trimtab.domain.prompt import PRODUCTION, Variable
from trimtab.domain.rendering import checker
from trimtab.sdk.client import Prompts
from trimtab.sdk.default import configure, default_client, fetch, render
from trimtab.sdk.prompt import Prompt
from trimtab.sdk.render import Found

__all__ = [
    "Field",
    "JsonSchema",
    "PromptVars",
    "configure",
    "fetch",
    "render",
]


class JsonSchema(AfterValidator):
    """What a type cannot say about a value, for `Annotated`: its JSON Schema (2020-12)."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        check = checker("it", Variable(required=True, json_schema=dict(schema)))

        def checked(value: object) -> object:
            try:
                check(value)
            except PromptVariablesInvalid as exc:
                raise ValueError(str(exc).removeprefix("variable 'it' ")) from exc
            return value

        super().__init__(checked)


@dataclass(frozen=True, slots=True)
class _Made:
    """What a wrapper was made for."""

    prompt: str
    major: int
    shape: str


class PromptVars(BaseModel):
    """The variables of a prompt, as fields.

    A subclass names the prompt: `class Answer(PromptVars, prompt="rag-answer", major=3)`. It takes
    every version of that major that takes what it has to give. A field that was not set is the
    version's to fill in, if the version has a default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    __made__: ClassVar[_Made | None] = None

    def __init_subclass__(
        cls, prompt: str = "", major: int = 0, shape: str = "", **kwargs: Unpack[ConfigDict]
    ) -> None:
        """Remember what it is made for; `shape` is the hash of the shape it was generated from."""
        super().__init_subclass__(**kwargs)
        if prompt:
            cls.__made__ = _Made(prompt, major, shape)

    def render(
        self,
        client: Prompts | None = None,
        *,
        label: str = PRODUCTION,
        version: str | None = None,
        tenant: str | None = None,
        messages: Sequence[Mapping[str, Any]] = (),
    ) -> Prompt:
        """Render the prompt with these variables. See `Prompts.render`.

        Raises:
            PromptShapeError: the version is of another major, or does not take these variables.
            PromptNotFound, VersionBlocked, PromptUnavailable: see `Prompts.find`.
        """
        made = self.__made__
        if made is None:
            raise PromptShapeError(
                f"{type(self).__name__} is for no prompt; write `prompt=` and `major=` in its class"
            )
        prompts = client or default_client()
        found = prompts.find(made.prompt, label=label, version=version, tenant=tenant)
        if found.edition.number.major != made.major:
            raise self._misshapen(made, found, f"it is made for major {made.major}")
        values = self._values(made, found)
        try:
            return prompts.render_found(found, values, tenant=tenant, messages=messages)
        except PromptVariablesInvalid as exc:
            if found.edition.version.shape_hash == made.shape:
                raise
            raise self._misshapen(made, found, str(exc)) from exc

    def _values(self, made: _Made, found: Found) -> dict[str, object]:
        """Give what was set, and what the version cannot fill in itself."""
        variables = found.edition.content.variables
        dumped = self._dumped()
        values: dict[str, object] = {}
        for field, about in type(self).model_fields.items():
            name = about.serialization_alias or field
            variable = variables.get(name)
            is_set = field in self.model_fields_set
            if variable is None and is_set:
                raise self._misshapen(made, found, f"{name!r} is no variable of it")
            if is_set or (variable is not None and not variable.has_default):
                values[name] = dumped[name]
        for name, variable in variables.items():
            if name not in values and not variable.has_default:
                raise self._misshapen(made, found, f"it needs {name!r}, too")
        return values

    def _dumped(self) -> dict[str, Any]:
        try:
            return self.model_dump(mode="json", by_alias=True)
        except ValueError as exc:
            raise PromptVariablesInvalid(
                f"a variable of {type(self).__name__} is no JSON value; give text or numbers"
            ) from exc

    def _misshapen(self, made: _Made, found: Found, why: str) -> PromptShapeError:
        label = "" if found.label is None else f", where '{found.label}' points,"
        return PromptShapeError(
            f"{type(self).__name__} does not fit '{found.ref}'{label} hash"
            f" '{found.edition.version.short_hash}': {why}; generate the wrapper of major"
            f" {found.edition.number.major} of '{made.prompt}' and give what it asks for"
        )
