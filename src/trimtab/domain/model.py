"""What a request may be sent to: models apps name, and the targets behind them."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

_DATED = re.compile(r"(?<!\d)20\d\d(-?)(0[1-9]|1[0-2])\1(0[1-9]|[12]\d|3[01])(?!\d)")

Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Wire(StrEnum):
    """Dialects of HTTP that apps and providers speak: one for each route to a provider."""

    OPENAI_CHAT = "openai.chat"
    OPENAI_RESPONSES = "openai.responses"
    OPENAI_EMBEDDINGS = "openai.embeddings"
    OPENAI_MODERATIONS = "openai.moderations"
    ANTHROPIC_MESSAGES = "anthropic.messages"
    ANTHROPIC_COUNT_TOKENS = "anthropic.count_tokens"

    @property
    def is_anthropic(self) -> bool:
        """Whether it is Anthropic's, which has errors and headers of its own."""
        return self in _ANTHROPIC

    @property
    def is_free(self) -> bool:
        """Whether providers bill nothing for it, whatever the model costs elsewhere."""
        return self in _FREE


_ANTHROPIC = frozenset({Wire.ANTHROPIC_MESSAGES, Wire.ANTHROPIC_COUNT_TOKENS})
_FREE = frozenset({Wire.OPENAI_MODERATIONS, Wire.ANTHROPIC_COUNT_TOKENS})


class ProviderWire(StrEnum):
    """What a provider understands; `caller` is both, so requests keep the wire they came in.

    Of `litellm` nobody asks: the library of that name calls it, with what OpenAI's chat completions
    and embeddings can say.
    """

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    CALLER = "caller"
    LITELLM = "litellm"


class OnClientGone(StrEnum):
    """What happens upstream when the caller hangs up: read on, or close (billed or not)."""

    DRAIN = "drain"
    CANCEL = "cancel"
    CANCEL_FREE = "cancel_free"


class WhenUntranslatable(StrEnum):
    """What happens to a request that a target's wire has no words for."""

    REFUSE = "refuse"
    DROP = "drop"


class ModelKind(StrEnum):
    """`alias` may be moved; `freezer` is pinned to a dated model; `direct` is a provider's name."""

    ALIAS = "alias"
    FREEZER = "freezer"
    DIRECT = "direct"


class Target(Struct, frozen=True):
    """One model of one provider, under the name that provider gives it."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


def read_target(text: str) -> Target | None:
    """Read `provider/model`; `None` if it is none."""
    provider, slash, model = text.partition("/")
    return Target(provider, model) if provider and slash and model else None


class Timeouts(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How long an attempt may take, in seconds. `first_token` counts to the first content event."""

    connect: Seconds = 5.0
    first_token: Seconds = 60.0
    between_tokens: Seconds = 60.0
    total: Seconds = 600.0


RETRIED = (
    *("connect", "timeout", "bad_output"),
    *("408", "409", "429", "500", "502", "503", "504", "529"),
)
"""Failures after which the same target may be asked again: ours by name, HTTP statuses as text."""


class Retry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often a request is tried.

    Attributes:
        per_target: Attempts at one target, the first included.
        in_all: Attempts over all targets; a provider is never called more often.
        when: Failures after which the same target is asked again, of `RETRIED`.
        wait_at_most: Seconds a provider may ask us to wait; for longer the next target is asked.
    """

    per_target: Annotated[int, Meta(ge=1, le=10)] = 2
    in_all: Annotated[int, Meta(ge=1, le=20)] = 4
    when: tuple[str, ...] = RETRIED
    wait_at_most: Annotated[float, Meta(ge=0, le=120)] = 5.0


class AfterFirstToken(StrEnum):
    """What a stream does that is cut after its first content: end in an error event, or go on."""

    FAIL = "fail"
    CONTINUE = "continue"


class Fallback(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a request goes when its target fails, by cause: models by name, or `provider/model`.

    Attributes:
        when_error: After a failure of any kind, in this order.
        when_rate_limited: After a 429 in the place of `when_error`, if it is given.
        when_context_too_long: When the target says that the request is too long for it.
        when_refused: When the model refuses to answer. Empty by default: refusals are not shopped.
        after_first_token: Whether another target of `when_error` may go on with a plain text that
            was cut, from where it was cut.
    """

    when_error: tuple[str, ...] = ()
    when_rate_limited: tuple[str, ...] | None = None
    when_context_too_long: tuple[str, ...] = ()
    when_refused: tuple[str, ...] = ()
    after_first_token: AfterFirstToken = AfterFirstToken.FAIL

    def names(self) -> frozenset[str]:
        """Name everything a request could fall back to."""
        limited = self.when_rate_limited or ()
        return frozenset(
            (*self.when_error, *limited, *self.when_context_too_long, *self.when_refused)
        )


MOST_WEIGHT = 1_000_000


class Share(Struct, frozen=True):
    """A target that takes a part of a model's requests, in proportion to its weight."""

    target: Target
    weight: Annotated[int, Meta(ge=0, le=MOST_WEIGHT)]


class Model(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A name apps use and where it leads.

    Attributes:
        to: The target; of several the one with the most weight.
        shares: All targets with their weights, if there are several.
        review_by: ISO date by which a freezer must be looked at again.
        undated_ok: Why a freezer names an undated model, if it does.
        when_untranslatable: Whether a target of another wire is asked without the members that
            its wire has no words for.
    """

    name: str
    kind: ModelKind
    to: Target
    shares: tuple[Share, ...] = ()
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    fallback: Fallback = Fallback()
    review_by: str | None = None
    undated_ok: str | None = None
    when_untranslatable: WhenUntranslatable = WhenUntranslatable.REFUSE

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets it leads to by itself."""
        return tuple(share.target for share in self.shares) or (self.to,)


def undated(model: Model) -> tuple[str, ...]:
    """Name the targets of a freezer that have no date, and no reason for that."""
    if model.kind is not ModelKind.FREEZER or model.undated_ok:
        return ()
    return tuple(it.model for it in model.targets if _DATED.search(it.model) is None)


def unpinned(model: Model, models: Mapping[str, Model]) -> tuple[str, ...]:
    """Name what a freezer falls back to and is no freezer; `models` are all, by name."""
    if model.kind is not ModelKind.FREEZER:
        return ()
    freezers = {name for name, it in models.items() if it.kind is ModelKind.FREEZER}
    return tuple(sorted(model.fallback.names() - freezers))


class Maximum(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many tokens a model reads and writes in one answer at most; `None` is unknown."""

    input: int | None = None
    output: int | None = None


UNKNOWN = Maximum()

SENT_UNASKED = ("message-threads-2026-08-12", "token-counting-2024-11-01")
"""Betas that the Anthropic SDK asks for by itself, in its tool runner and its count of tokens."""


NO_CREDENTIAL = "none"
"""Stands for a reference where none is needed."""


class Provider(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An upstream account.

    Attributes:
        url: Base URL as the provider's SDK would take it; `litellm` knows most by their prefix.
        key: Reference to the credential (`env:NAME`, `file:PATH`) or `none`.
        more_keys: Further credentials of the account; requests take turns among all of them.
        prices_as: Name under which its models are priced; its own by default.
        allow_private_network: Whether it may live on a loopback or private address.
        propagate: Whether it is told the trace, as inference servers of our own should be.
        betas: Values of `anthropic-beta` and `openai-beta` that may go along to it.
        prefill: Whether its models go on with a last message of the assistant.
        model_prefix: What `litellm` knows the provider by, as `bedrock/`.
        region: Where the models run, for providers that have regions.
        options: Further arguments of every call by `litellm`; text may be a reference.
        max_tokens: What models read and write at most, by name, or by its beginning and a `*`.
    """

    name: str
    wire: ProviderWire
    url: str = ""
    key: str = NO_CREDENTIAL
    more_keys: tuple[str, ...] = ()
    on_client_gone: OnClientGone = OnClientGone.CANCEL
    prices_as: str | None = None
    allow_private_network: bool = False
    propagate: bool = False
    ca_file: str | None = None
    prefill: bool = False
    betas: tuple[str, ...] = SENT_UNASKED
    model_prefix: str | None = None
    region: str | None = None
    options: dict[str, str | int | float | bool] = {}
    max_tokens: dict[str, Maximum] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """References to all credentials."""
        return (self.key, *self.more_keys)

    def account(self, place: int) -> str:
        """Name one of its credentials as ledger lines do: by its reference; nothing if it has none.

        A reference is no secret, and means the same wherever in the list it stands.
        """
        reference = self.keys[place]
        return "" if reference == NO_CREDENTIAL else reference

    @property
    def priced_as(self) -> str:
        """Name under which the price list knows its models."""
        return self.prices_as or self.name

    def maximum(self, model: str) -> Maximum:
        """Tell what one of its models reads and writes at most; the longest name that fits wins."""
        if not self.max_tokens:
            return UNKNOWN
        # From `!` on a name asks a simulator for a fault.
        name = model.partition("!")[0]
        exact = self.max_tokens.get(name)
        if exact is not None:
            return exact
        fitting = [it for it in self.max_tokens if it[-1] == "*" and name.startswith(it[:-1])]
        return self.max_tokens[max(fitting, key=len)] if fitting else UNKNOWN
