"""Typed settings: `trimtab.yaml` and `TRIMTAB_*` variables."""

from trimtab.settings.encryption import read_master_key
from trimtab.settings.load import DEMO, load, locate
from trimtab.settings.model import (
    AlertSettings,
    BillingSettings,
    CloudWatchMode,
    CloudWatchSettings,
    ExporterSettings,
    GatewaySettings,
    Level,
    Note,
    OnlineSettings,
    PriceSettings,
    RouteKind,
    RouteSettings,
    Settings,
    StripeSettings,
    UnknownModel,
    WebhookSettings,
)
from trimtab.settings.secrets import NO_SECRET, REFERENCE, Secret, resolve

__all__ = [
    "DEMO",
    "NO_SECRET",
    "REFERENCE",
    "AlertSettings",
    "BillingSettings",
    "CloudWatchMode",
    "CloudWatchSettings",
    "ExporterSettings",
    "GatewaySettings",
    "Level",
    "Note",
    "OnlineSettings",
    "PriceSettings",
    "RouteKind",
    "RouteSettings",
    "Secret",
    "Settings",
    "StripeSettings",
    "UnknownModel",
    "WebhookSettings",
    "load",
    "locate",
    "read_master_key",
    "resolve",
]
