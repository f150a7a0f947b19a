"""Typed settings: `trimtab.yaml` and `TRIMTAB_*` variables."""

from trimtab.settings.load import DEMO, load, locate
from trimtab.settings.model import (
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
