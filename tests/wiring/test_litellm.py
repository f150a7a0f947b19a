import subprocess
import sys

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.model import Provider, ProviderWire
from trimtab.wiring.litellm import check_litellm

OPENAI = Provider(name="o", wire=ProviderWire.OPENAI, url="https://h")
LITELLM = Provider(name="l", wire=ProviderWire.LITELLM, model_prefix="bedrock/")


def test_who_needs_the_extra_and_lacks_it_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)

    check_litellm([OPENAI])
    with pytest.raises(SettingsInvalid, match=r"run pip install 'trimtab\[litellm\]'"):
        check_litellm([OPENAI, LITELLM])


def test_a_gateway_that_needs_none_of_it_imports_none_of_it() -> None:
    code = "import sys, trimtab.wiring.gateway; sys.exit('litellm' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
