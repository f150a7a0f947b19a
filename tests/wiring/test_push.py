from pathlib import Path

import pytest

from trimtab import wiring
from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import StripeSettings
from trimtab.testing import FrozenClock, ScriptedProvider
from trimtab.wiring.push import books, outbox, push


def test_a_key_that_is_not_there_is_named_by_its_reference(tmp_path: Path) -> None:
    found = books(tmp_path, wiring.control(tmp_path), outbox(tmp_path))

    with pytest.raises(SettingsInvalid, match=r"stripe\.key: 'env:NOT_SET_KEY': .*export it"):
        push(found, StripeSettings(key="env:NOT_SET_KEY"), FrozenClock(), ScriptedProvider())
