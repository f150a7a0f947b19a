"""The section `cloudwatch`: where metrics are told, and in which form."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from trimtab.domain.yaml_tree import Faults, Node, Wrong
from trimtab.settings.fields import Read, count, members, one_of, text, url
from trimtab.settings.model import CloudWatchMode, CloudWatchSettings

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
_NAMESPACE = re.compile(r"(?!AWS/)[A-Za-z0-9._/#:-]{1,255}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")


def read_cloudwatch(node: Node, faults: Faults) -> CloudWatchSettings | None:
    """Read the section."""
    given = members(node, faults, _CLOUDWATCH, frozenset({"mode"}))
    if given is None or "mode" not in given:
        return None
    made = CloudWatchSettings(**given)
    if made.mode is CloudWatchMode.PUT_METRIC_DATA and made.region is None:
        faults.add(f"{node.path}.region", "is missing; write the region, as eu-central-1")
    if made.mode is CloudWatchMode.PUT_METRIC_DATA and made.file is not None:
        faults.add(f"{node.path}.file", "is for `mode: emf`; remove it")
    return made


def _namespace(node: Node, faults: Faults) -> str:
    written = text(node, faults)
    if _NAMESPACE.fullmatch(written) is None:
        raise Wrong("is no namespace; write letters, digits and . - _ / # :, not AWS/ first")
    return written


def _region(node: Node, faults: Faults) -> str:
    written = text(node, faults)
    if _REGION.fullmatch(written) is None:
        raise Wrong("is no region; write one as eu-central-1")
    return written


def _endpoint(node: Node, faults: Faults) -> str:
    written = url(node, faults)
    at = urlsplit(written)
    if at.scheme != "https" and at.hostname not in _HERE:
        raise Wrong("carries a signature of your key; write an https URL, or one of this machine")
    return written


_HERE = frozenset({"127.0.0.1", "::1", "localhost"})
_CLOUDWATCH: Mapping[str, Read] = {
    "mode": one_of(CloudWatchMode),
    "namespace": _namespace,
    "region": _region,
    "file": lambda node, faults: Path(text(node, faults)),
    "top_tenants": count,
    "endpoint": _endpoint,
}
