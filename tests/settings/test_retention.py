from pathlib import Path

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.retention import Retention
from trimtab.settings import load

TEXT = """version: 1
providers: {{sim: {{wire: caller, url: "https://x.example"}}}}
models: {{chat: {{kind: alias, to: sim/large}}}}
tiers: {{wide: {{models: [chat]}}}}
tenants: {{acme: {{tier: wide, retention: {{content: {own}}}}}}}
retention: {{content: 30d, ledger: 3650d}}
"""


def test_a_tenant_has_its_own_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "trimtab.yaml"
    file.write_text(TEXT.format(own="0d"))
    settings = load(file, {})
    assert settings.retention == Retention(content=30, ledger=3650)
    assert [it.content_days for it in settings.tenants.values()] == [0]


@pytest.mark.parametrize("own", ["3651d", "-1d", "30", "1h"])
def test_what_is_no_number_of_days_is_refused(tmp_path: Path, own: str) -> None:
    file = tmp_path / "trimtab.yaml"
    file.write_text(TEXT.format(own=own))
    with pytest.raises(SettingsInvalid, match=r"tenants\.acme\.retention\.content"):
        load(file, {})
