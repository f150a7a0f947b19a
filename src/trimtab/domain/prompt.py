"""Prompts: named texts with typed variables. Versions never change; labels point at them.

What a version says is its `Content`, and `hash` covers exactly that: SHA-256 over its canonical
JSON (RFC 8785), absent and empty parts left out. Name, number, owner and description are outside,
so that the same text under two numbers is seen to be the same.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
import rfc8785
from msgspec import Struct

from trimtab.domain.errors import InvalidRequest, VersionCorrupt

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RESERVED_NAMES = frozenset({"events", "new"})
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LABEL = re.compile(r"[a-z][a-z0-9-]{0,31}")
RESERVED_LABELS = frozenset({"latest"})
PRODUCTION = "production"
DEFAULT_SCOPE = "default"

FORMAT = 1
SHORT_HASH = 12
MOST_BYTES = 2**20
MOST_MESSAGES = 64
MOST_VARIABLES = 128

TRUST, FENCE, REQUIRED = "x-trust", "x-fence", "x-required"
TEXT_SCHEMA: Mapping[str, Any] = {"type": "string"}


class Engine(StrEnum):
    """How texts take their variables in. `jinja` renders on the server only."""

    TEMPLATE = "template"
    MUSTACHE = "mustache"
    JINJA = "jinja"


class Role(StrEnum):
    """Who says a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Trust(StrEnum):
    """Who wrote the value of a variable."""

    AUTHOR = "author"
    USER = "user"
    RETRIEVED = "retrieved"


class Requirement(StrEnum):
    """What a protected label asks for before a version may have it."""

    EVAL = "eval"
    REVIEW = "review"


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message of a role, or the place where the caller's own messages go."""

    role: Role | None = None
    content: str | None = None
    placeholder: str | None = None


class Variable(Struct, frozen=True, kw_only=True, rename={"json_schema": "schema"}):
    """A variable, with the JSON Schema (2020-12) of its value.

    Attributes:
        default: The value it has when none is given; unset if there is none.
    """

    required: bool
    json_schema: dict[str, Any]
    default: Any = msgspec.UNSET

    @property
    def has_default(self) -> bool:
        """Whether it may be left out."""
        return self.default is not msgspec.UNSET

    @property
    def trust(self) -> Trust:
        """Who wrote its value."""
        return Trust(self.json_schema.get(TRUST, Trust.AUTHOR))

    @property
    def fenced(self) -> bool:
        """Whether lines that nobody can guess stand around its value."""
        return self.json_schema.get(FENCE) is True


class ModelChoice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The model a prompt is written for; what the caller sets himself wins over it."""

    id: str | None = None
    params: dict[str, Any] = {}


class Content(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a version says: exactly one of `template` and `messages`, and what goes with it."""

    engine: Engine = Engine.TEMPLATE
    template: str | None = None
    messages: tuple[Message, ...] = ()
    variables: dict[str, Variable] = {}
    model: ModelChoice | None = None
    tools: tuple[dict[str, Any], ...] = ()
    output_schema: dict[str, Any] | None = None

    @property
    def said(self) -> tuple[Message, ...]:
        """The messages; a single text is what the user says."""
        if self.template is None:
            return self.messages
        return (Message(role=Role.USER, content=self.template),)

    @property
    def placeholder(self) -> str | None:
        """Name of the place for the caller's own messages, if there is one."""
        return next((it.placeholder for it in self.messages if it.placeholder), None)

    def canonical(self) -> str:
        """Write it so that equal contents are equal texts (RFC 8785).

        Raises:
            InvalidRequest: a number in it has no exact form in JSON.
        """
        text = canonical({"format": FORMAT, "engine": self.engine.value, **_present(self)})
        # A float above 2^53 is written as digits, which are read again as another kind of number.
        _ = canonical(msgspec.json.decode(text))
        return text

    def shape(self) -> str:
        """Hash what a call site depends on: kind, variables and placeholders, hex."""
        members = msgspec.to_builtins(self.variables)
        shape = {
            "kind": "text" if self.template is not None else "chat",
            "variables": members,
            "placeholders": [self.placeholder] if self.placeholder else [],
        }
        return digest(canonical(shape))


class PromptVersion(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One immutable version, as it is published.

    Attributes:
        content: Canonical JSON of its `Content`, partials flattened in.
        hash: SHA-256 of `content`, hex.
        shape_hash: See `Content.shape`.
        file: The prompt file, byte for byte but for CRLF.
        model_hint: Advice for people.
        evals: Datasets that judge it.
        labels_policy: What labels ask for beyond what the server does.
        git_commit: Commit of the file, if it came from one.
        git_path: Path of the file in that commit.
    """

    name: str
    version: str
    hash: str
    shape_hash: str
    content: str
    file: str
    description: str = ""
    owner: str = ""
    model_hint: str | None = None
    evals: tuple[str, ...] = ()
    labels_policy: dict[str, tuple[Requirement, ...]] = {}
    git_commit: str | None = None
    git_path: str | None = None

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def short_hash(self) -> str:
        """The first digits of the hash, for logs."""
        return self.hash[:SHORT_HASH]

    @property
    def prompt_id(self) -> str:
        """The seed's `pid`: it covers name and number only."""
        return digest(self.ref)[:SHORT_HASH]

    def read(self) -> Content:
        """Read what it says, and see that it still says it.

        Raises:
            VersionCorrupt: the text is not the one that was published.
        """
        if digest(self.content) != self.hash:
            raise VersionCorrupt(
                f"the stored text of '{self.ref}' is not the one that was published; restore the"
                " control store, and look at `trimtab prompts verify`"
            )
        if msgspec.json.decode(self.content, type=_Format).format != FORMAT:
            raise VersionCorrupt(
                f"'{self.ref}' is of a format that this program does not know; upgrade trimtab"
            )
        return msgspec.json.decode(self.content, type=Content)


class _Format(Struct, frozen=True):
    format: int


class Label(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a label points in one scope.

    Attributes:
        override: Whether it was moved without what the label asks for.
        rolled_back: Whether it was moved back, so that the next step back goes further.
    """

    version: str
    override: bool = False
    rolled_back: bool = False


class Place(NamedTuple):
    """Where a label stands: in which prompt, under which name, for whom."""

    name: str
    label: str = PRODUCTION
    scope: str = DEFAULT_SCOPE

    def __str__(self) -> str:
        return f"{self.name}/{self.label}/{self.scope}"


class Yank(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version that no label may point at any more.

    Attributes:
        blocked: Whether it cannot even be fetched by its number.
    """

    reason: str
    blocked: bool = False


class Approval(Struct, frozen=True, kw_only=True):
    """Somebody read a version and lets it go: `hash` is what was read."""

    hash: str
    by: str


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an evaluation found about a content.

    Attributes:
        passed: Whether the verdict was PASS.
        datasets: What it was measured on.
        judge_valid: Whether the judge was calibrated.
        report: Where the whole report is, or what it says in short.
    """

    hash: str
    passed: bool
    ts_us: int
    datasets: tuple[str, ...] = ()
    judge_valid: bool = True
    report: str = ""


class Cohort(Struct, frozen=True):
    """A named set of tenants."""

    name: str
    tenants: frozenset[str]


class RegistryPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the site asks of prompts.

    Attributes:
        protected: What labels ask for. A label that is named is protected.
        cohorts: In their order: of several that hold a tenant, the first wins.
        rollback_window_s: How far back a rollback may go without asking for anything.
        require_schemas: Whether every variable needs a schema.
    """

    protected: dict[str, tuple[Requirement, ...]] = msgspec.field(
        default_factory=lambda: {PRODUCTION: (Requirement.EVAL, Requirement.REVIEW)}
    )
    cohorts: tuple[Cohort, ...] = ()
    rollback_window_s: float = 30 * 86_400.0
    require_schemas: bool = False


def digest(text: str) -> str:
    """SHA-256 of a text, hex."""
    return sha256(text.encode()).hexdigest()


def canonical(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    """Write JSON so that equal values are equal texts (RFC 8785).

    Raises:
        InvalidRequest: it is no JSON value, is nested too deep, or a number in it has no exact
            form.
    """
    try:
        return rfc8785.dumps(value).decode()
    except RecursionError as exc:
        raise InvalidRequest("a value is nested too deep; flatten it") from exc
    except (rfc8785.CanonicalizationError, TypeError, UnicodeError) as exc:
        raise InvalidRequest(
            "a value cannot be written as JSON exactly; use text, and numbers below 2^53"
        ) from exc


def _present(content: Content) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(content)
    return {name: value for name, value in members.items() if value not in (None, [], {}, ())}
