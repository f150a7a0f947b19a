"""Typed settings: `trimtab.yaml` and `TRIMTAB_*` variables."""

from trimtab.settings.load import DEMO, load, locate
from trimtab.settings.model import (
    BillingSettings,
    ExporterSettings,
    GatewaySettings,
    Level,
    Note,
    PriceSettings,
    Settings,
    UnknownModel,
    WebhookSettings,
)
from trimtab.settings.secrets import NO_SECRET, REFERENCE, Secret, resolve

__all__ = [
    "DEMO",
    "NO_SECRET",
    "REFERENCE",
    "BillingSettings",
    "ExporterSettings",
    "GatewaySettings",
    "Level",
    "Note",
    "PriceSettings",
    "Secret",
    "Settings",
    "UnknownModel",
    "WebhookSettings",
    "load",
    "locate",
    "resolve",
]
