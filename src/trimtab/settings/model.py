"""The settings, typed: desired state, and how this process runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec.structs import replace as with_members

from trimtab.control.desired import Desired
from trimtab.control.prompts import POLICY
from trimtab.control.snapshot import PRICE_OVERRIDES, SITE_BUDGET
from trimtab.domain.alert import Severity, Tls
from trimtab.domain.budget import Budget
from trimtab.domain.change import Pointer, PointerKind
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.model import (
    Model,
    ModelKind,
    OnClientGone,
    Provider,
    ProviderWire,
    Target,
)
from trimtab.domain.money import NANO_PER_USD
from trimtab.domain.prompt import RegistryPolicy
from trimtab.domain.retention import Retention
from trimtab.domain.tenant import Key, SearchPolicy, Tenant, Tier, WhenAway
from trimtab.telemetry.preset import Content, Signal
from trimtab.telemetry.sampling import Policy
from trimtab.telemetry.semconv import Semconv

REVIEW_NOTICE = timedelta(days=30)


class UnknownModel(StrEnum):
    """What happens to a request whose target has no price."""

    REJECT = "reject"
    METER_UNKNOWN = "meter_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """How a gateway worker serves.

    Attributes:
        max_body: Bytes a request body may have.
        drain_s: Seconds that SIGTERM waits for running streams.
        admin_key: Reference to the token that opens the admin API; `None` closes that way.
        public_url: Where people reach the console, if not at host and port.
        redis: URL of the Redis or Valkey that holds the limits of all workers, or a reference to
            it; `None` keeps them in the one worker there is.
        when_redis_is_down: What a worker does without it, for tenants that do not say.
        store: URL of the control store of several hosts, or a reference to it; `None` keeps
            `control.db` in the state directory.
        records: The same of the records, the ledger and content; `None` keeps `records.db` and
            `content/` there.
        archive: URL of the ClickHouse, or a reference to it, in which single requests and content
            are, beside that Postgres; `None` keeps them in it.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    max_body: int = 32 * 2**20
    drain_s: float = 30.0
    admin_key: str | None = None
    public_url: str | None = None
    redis: str | None = None
    when_redis_is_down: WhenAway = WhenAway.LOCAL_SHARE
    store: str | None = None
    records: str | None = None
    archive: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSettings:
    """What targets cost where the price list is silent or wrong.

    Attributes:
        overrides: By pattern of `provider/model`, in USD per million tokens.
    """

    unknown_model: UnknownModel = UnknownModel.REJECT
    overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterSettings:
    """Where traces are sent, and what else.

    Attributes:
        name: Names its place in the spool; a new name begins anew.
        endpoint: Base URL; `None` is that of the preset.
        headers: References to secrets by header name, beside those of the preset.
        values: What the preset has places for, such as `project`.
        secrets: The same of secrets, as references.
        ca_file: PEM file of one more trusted root.
        semconv: Version of the conventions.
    """

    name: str
    preset: str = "otlp"
    endpoint: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    ca_file: str | None = None
    semconv: Semconv = Semconv.V1_41
    content: Content = Content.NONE
    signals: tuple[Signal, ...] = (Signal.TRACES,)


class CloudWatchMode(StrEnum):
    """How metrics reach CloudWatch."""

    EMF = "emf"
    PUT_METRIC_DATA = "put_metric_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudWatchSettings:
    """How metrics are told to CloudWatch; of interest to the keeper alone.

    Attributes:
        file: Where EMF documents are appended; `None` is standard output.
        top_tenants: How many tenants have series of their own, the dearest first.
        endpoint: URL of the API, if not that of AWS.
    """

    mode: CloudWatchMode
    namespace: str = "Trimtab"
    region: str | None = None
    file: Path | None = None
    top_tenants: int = 20
    endpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """What is told to others.

    Attributes:
        baggage_allow: Keys of callers' baggage that become attributes.
        max_tenants: How many tenants metrics name, the dearest first.
    """

    exporters: tuple[ExporterSettings, ...] = ()
    sampling: Policy = field(default_factory=Policy)
    baggage_allow: frozenset[str] = frozenset()
    max_tenants: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Who is told of what moves in the registry.

    Attributes:
        name: Names its place in the change log; a new name begins with what comes next.
        secret: Reference to what its messages are signed with, `whsec_...`.
    """

    name: str
    url: str
    secret: str
    allow_private_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """One of our accounts at a provider.

    Attributes:
        account: The provider's id of the project or workspace; `default` has none.
        key: Reference to the credential that uses it; `None` is any.
        key_id: The provider's id of that credential; with it, other keys of the account show.
    """

    account: str
    key: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingSettings:
    """How the bill of a provider is read; of interest to the keeper alone.

    Attributes:
        provider: Name of the provider.
        admin_key: Reference to the credential that opens its usage and costs.
        url: Base URL, if not the provider's.
        accounts: What is ours there; without any, everything is.
    """

    provider: str
    admin_key: str
    url: str | None = None
    accounts: tuple[AccountSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSettings:
    """How bills are passed on to Stripe; of interest to the keeper alone.

    Attributes:
        key: Reference to the secret or restricted key.
        event_name: Of the meter that adds cents up.
        grace_s: How long after its month an invoice becomes final, as Stripe is set.
        every_s: How often what is owed is looked up.
    """

    key: str
    event_name: str = "trimtab_cents"
    grace_s: float = 3600.0
    every_s: float = 3600.0
    url: str = "https://api.stripe.com"
    allow_private_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Where prompts are, and what is asked of them.

    Attributes:
        files: Globs of prompt files, below the folder of the settings.
    """

    files: tuple[str, ...] = ("prompts/**/*.prompt.yaml", "prompts/**/*.v[0-9]*.yaml")
    policy: RegistryPolicy = field(default_factory=RegistryPolicy)
    webhooks: tuple[WebhookSettings, ...] = ()


class RouteKind(StrEnum):
    """How a route is told."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    EMAIL = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """Who is told of alerts. What belongs to another kind is `None` or empty.

    Attributes:
        url: Where it is posted; of Slack, a reference to that, for who knows it may post.
        secret: Reference to what webhooks are signed with, `whsec_...`.
        key: Reference to the integration key of PagerDuty.
        server: Host and port of the mail server.
        password: Reference to what `user` logs in with there.
    """

    name: str
    kind: RouteKind
    severities: frozenset[Severity] = frozenset({Severity.PAGE, Severity.MESSAGE})
    allow_private_network: bool = False
    url: str | None = None
    secret: str | None = None
    key: str | None = None
    server: tuple[str, int] | None = None
    tls: Tls = Tls.STARTTLS
    sender: str = ""
    to: tuple[str, ...] = ()
    user: str | None = None
    password: str | None = None

    @property
    def references(self) -> Iterator[tuple[str, str]]:
        """Name every secret by its member."""
        secrets = {"secret": self.secret, "key": self.key, "password": self.password}
        if self.kind is RouteKind.SLACK:
            secrets["url"] = self.url
        yield from ((name, it) for name, it in secrets.items() if it is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """What counts as too much, and who is told.

    Attributes:
        every_s: How often the rules are judged.
        repeat_s: An alert that stays open is told again after so long.
        floor_nano: A day's excess below this wakes nobody.
        factor_pct: So many per cent of the usual are too much.
    """

    every_s: float = 60.0
    repeat_s: float = 4 * 3600.0
    floor_nano: int = 5 * NANO_PER_USD
    factor_pct: int = 300
    routes: tuple[RouteSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineSettings:
    """What of live traffic is judged, by whom; of interest to the keeper alone.

    Attributes:
        rate: Share of ordinary requests, 0 to 1.
        at_least: So many of each prompt and tier are judged in any case on each UTC day.
        most_nano: What judging may cost on a UTC day.
        metrics: Options of each metric by its name.
        embeddings: Model of metrics that compare vectors.
    """

    model: str
    metrics: Mapping[str, Mapping[str, Any]]
    most_nano: int
    rate: float = 0.01
    at_least: int = 10
    max_tokens: int = 2048
    embeddings: str | None = None


class Level(StrEnum):
    """How bad a note is: a warning is worth a look, an error fails `trimtab check`."""

    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Note:
    """Something about settings that are valid."""

    level: Level
    path: str
    line: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything one file says.

    Attributes:
        master_key: Reference to what wraps the keys that content is sealed under; `None` seals
            nothing.
        unset: Path and message of every reference to a secret that is not there, or is none.
        lines: Line of every path of the file, for notes.
    """

    file: Path
    gateway: GatewaySettings = GatewaySettings()
    providers: Mapping[str, Provider] = field(default_factory=dict[str, Provider])
    models: Mapping[str, Model] = field(default_factory=dict[str, Model])
    tiers: Mapping[str, Tier] = field(default_factory=dict[str, Tier])
    tenants: Mapping[TenantId, Tenant] = field(default_factory=dict[TenantId, Tenant])
    keys: Mapping[KeyId, Key] = field(default_factory=dict[KeyId, Key])
    prices: PriceSettings = PriceSettings()
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    cloudwatch: CloudWatchSettings | None = None
    site_budget: Budget | None = None
    registry: RegistrySettings = field(default_factory=RegistrySettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    billings: tuple[BillingSettings, ...] = ()
    retention: Retention = field(default_factory=Retention)
    stripe: StripeSettings | None = None
    online: OnlineSettings | None = None
    log_to_stdout: bool = False
    master_key: str | None = None
    unset: tuple[tuple[str, str], ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict[str, int], repr=False)

    def desired(self) -> Desired:
        """Give what the file wants every pointer to be."""
        wanted: dict[Pointer, Any] = {}
        kinds: tuple[tuple[PointerKind, Mapping[Any, Any]], ...] = (
            (PointerKind.PROVIDER, self.providers),
            (PointerKind.MODEL, self.models),
            (PointerKind.TIER, self.tiers),
            (PointerKind.TENANT, self.tenants),
            (PointerKind.KEY, self.keys),
        )
        for kind, values in kinds:
            wanted.update((Pointer(kind, str(name)), value) for name, value in values.items())
        if self.prices.overrides:
            wanted[Pointer(PointerKind.PRICES, PRICE_OVERRIDES)] = self.prices.overrides
        if self.site_budget is not None:
            wanted[Pointer(PointerKind.SITE, SITE_BUDGET)] = self.site_budget
        if self.registry.policy != RegistryPolicy():
            wanted[Pointer(PointerKind.REGISTRY, POLICY)] = self.registry.policy
        return wanted

    def with_provider_url(self, name: str, url: str) -> "Settings":
        """Send a provider elsewhere, for example to a simulator on a port just chosen.

        Raises:
            SettingsInvalid: there is no such provider.
        """
        provider = self.providers.get(name)
        if provider is None:
            raise SettingsInvalid(f"provider {name!r} is not in '{self.file}'; add it there")
        return replace(self, providers={**self.providers, name: with_members(provider, url=url)})

    def with_local_model(self, model: str, url: str) -> "Settings":
        """Add a model that is served on this machine, free and for everybody."""
        provider = Provider(
            name="local",
            wire=ProviderWire.CALLER,
            url=url,
            on_client_gone=OnClientGone.CANCEL_FREE,
            allow_private_network=True,
        )
        alias = Model(name=model, kind=ModelKind.ALIAS, to=Target("local", model))
        tiers = {
            name: with_members(tier, models=(*tier.models, model))
            for name, tier in self.tiers.items()
        }
        free = {"local/*": {"input": 0, "output": 0}}
        return replace(
            self,
            providers={**self.providers, "local": provider},
            models={**self.models, model: alias},
            tiers=tiers,
            prices=replace(self.prices, overrides={**self.prices.overrides, **free}),
        )

    def notes(self, today: date) -> tuple[Note, ...]:
        """Tell what is worth a look although it is valid, in the order of the file."""
        unset = [self._note(path, message) for path, message in self.unset]
        found = [
            *self._reviews(today),
            *unset,
            *self._idle(),
            *self._same_provider(),
            *self._unsearched(),
        ]
        return tuple(sorted(found, key=lambda note: note.line))

    def _reviews(self, today: date) -> Iterator[Note]:
        for model in self.models.values():
            if model.review_by is None:
                continue
            left = (date.fromisoformat(model.review_by) - today).days
            path = f"models.{model.name}.review_by"
            if left < 0:
                yield self._note(
                    path,
                    f"{model.review_by} is {-left} days ago; review the model and move the date",
                    Level.ERROR,
                )
            elif timedelta(days=left) <= REVIEW_NOTICE:
                yield self._note(path, f"{model.review_by} is {left} days away")

    def _idle(self) -> Iterator[Note]:
        used = {it.provider for model in self.models.values() for it in model.targets}
        for model in self.models.values():
            used |= {name.partition("/")[0] for name in model.fallback.names()}
        for owner in (*self.tiers.values(), *self.tenants.values(), *self.keys.values()):
            used |= {model.partition("/")[0] for model in owner.models or ()}
        for name in self.providers:
            if name not in used:
                yield self._note(f"providers.{name}", "no model and no tier uses it")

    def _same_provider(self) -> Iterator[Note]:
        for model in self.models.values():
            first = {target.provider for target in model.targets}
            for index, name in enumerate(model.fallback.when_error):
                named = self.models.get(name)
                provider = named.to.provider if named else name.partition("/")[0]
                if first == {provider}:
                    yield self._note(
                        f"models.{model.name}.fallback.when_error[{index}]",
                        f"{name} is on the same provider as the model itself: it helps against a"
                        " bad model, not an outage",
                    )

    def _unsearched(self) -> Iterator[Note]:
        owners = (*self.tiers.values(), *self.tenants.values())
        if self.master_key is not None and any(it.search is SearchPolicy.PLAIN for it in owners):
            yield self._note(
                "content_encryption",
                "words of content cannot be searched while it is sealed, for an index would be a"
                " readable copy; say `search: off` in all tiers",
            )

    def _note(self, path: str, message: str, level: Level = Level.WARN) -> Note:
        return Note(level, path, self.lines.get(path, 1), message)
