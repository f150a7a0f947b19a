"""`json_schema`: the answer is JSON, and of a schema."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import msgspec
from msgspec import Struct

from trimtab.domain.prompt import canonical, digest
from trimtab.domain.yaml_tree import Wrong
from trimtab.evals.case import Case
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import About, Answer, Parts, Score, options, scored

_FENCE = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL | re.IGNORECASE)
_VERSION_DIGITS = 12


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """A schema (2020-12), or the file it is in; `fence`: whether the answer may stand in one."""

    schema: dict[str, Any] | str
    fence: bool = False


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """Parses and validates."""

    validator: jsonschema_rs.Draft202012Validator
    version: str
    fence: bool

    @property
    def about(self) -> About:
        """See `Metric.about`. The schema is part of the version, for it may be in a file."""
        return About(name="json_schema", version=f"1+{self.version}")

    async def score(self, _case: Case, answer: Answer, _judge: Judge) -> Score:
        """See `Metric.score`."""
        fenced = _FENCE.fullmatch(answer.text) if self.fence else None
        try:
            value = msgspec.json.decode(fenced[1] if fenced else answer.text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            return scored(0, f"is no JSON: {exc}")
        try:
            error = next(self.validator.iter_errors(value), None)
        except ValueError as exc:
            return scored(0, f"is no JSON that can be checked: {exc}")
        if error is None:
            return scored(1)
        where = "/".join(map(str, error.instance_path))
        return scored(0, f"/{where}: {error.message}")


def json_schema(given: Mapping[str, object], parts: Parts) -> JsonSchema:
    """Make the metric. Raises `Wrong`."""
    read = options(given, Options)
    schema = read.schema
    if isinstance(schema, str):
        try:
            schema = msgspec.json.decode((parts.folder / schema).read_bytes(), type=dict[str, Any])
        except OSError as exc:
            raise Wrong(f"schema {read.schema!r} cannot be read ({exc.strerror})") from exc
        except (msgspec.DecodeError, UnicodeError) as exc:
            raise Wrong(f"schema {read.schema!r} is no JSON object ({exc}); fix it") from exc
    try:
        validator = jsonschema_rs.Draft202012Validator(
            schema, offline=True, mask="it", pattern_options=jsonschema_rs.RegexOptions()
        )
    except (ValueError, jsonschema_rs.ReferencingError) as exc:
        what = str(exc).partition("\n")[0]
        raise Wrong(f"schema is no good JSON Schema: {what}; fix it") from exc
    return JsonSchema(validator, digest(canonical(schema))[:_VERSION_DIGITS], read.fence)
