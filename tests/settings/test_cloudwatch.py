from pathlib import Path

import pytest
from tests.settings.conftest import Faults, Load

from trimtab.settings import CloudWatchMode, CloudWatchSettings


def test_without_a_section_nothing_is_told(load_text: Load) -> None:
    settings = load_text("version: 1\ntelemetry: {metrics: {max_tenants: 7}}\n")

    assert settings.cloudwatch is None
    assert settings.telemetry.max_tenants == 7


def test_reads_what_is_told_and_where(load_text: Load) -> None:
    embedded = load_text("version: 1\ncloudwatch: {mode: emf, file: /var/log/emf.log}\n")
    called = load_text(
        "version: 1\ncloudwatch: {mode: put_metric_data, region: eu-central-1, namespace: Shop,"
        " top_tenants: 5, endpoint: 'http://127.0.0.1:4566'}\n"
    )

    assert embedded.cloudwatch == CloudWatchSettings(
        mode=CloudWatchMode.EMF, file=Path("/var/log/emf.log")
    )
    assert called.cloudwatch == CloudWatchSettings(
        mode=CloudWatchMode.PUT_METRIC_DATA,
        region="eu-central-1",
        namespace="Shop",
        top_tenants=5,
        endpoint="http://127.0.0.1:4566",
    )


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("{namespace: Shop}", "'mode' is missing"),
        ("{mode: put_metric_data}", "cloudwatch.region: is missing"),
        (
            "{mode: put_metric_data, region: eu-central-1, file: x}",
            "cloudwatch.file: is for `mode: emf`",
        ),
        ("{mode: emf, namespace: AWS/Shop}", "is no namespace"),
        ("{mode: emf, region: Frankfurt}", "is no region"),
        ("{mode: emf, endpoint: 'http://monitoring.example'}", "carries a signature of your key"),
        ("{mode: emf, top_tenants: 0}", "is no whole number of at least 1"),
    ],
)
def test_says_what_is_wrong(faults: Faults, section: str, says: str) -> None:
    (fault,) = faults(f"version: 1\ncloudwatch: {section}\n")

    assert says in fault
