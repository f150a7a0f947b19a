from pathlib import Path

import pytest

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.signing import read_secret
from trimtab.registry.webhooks import Backlog, Subscriber, Webhook
from trimtab.settings import Settings, WebhookSettings
from trimtab.settings.model import RegistrySettings
from trimtab.store.memory.control import MemoryChangeLog
from trimtab.testing import FrozenClock, ScriptedProvider
from trimtab.wiring.webhooks import subscriber, webhooks

HERE = "env:CI"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 -- the specification's example


def built(home: Path, *names: str) -> list[Webhook]:
    hooks = tuple(
        WebhookSettings(name=it, url="https://e.com", secret=f"env:{it.upper()}") for it in names
    )
    settings = Settings(file=home / "trimtab.yaml", registry=RegistrySettings(webhooks=hooks))
    return webhooks(home, settings, MemoryChangeLog(), Snapshot, FrozenClock(), ScriptedProvider())


def test_there_is_one_for_each_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", SECRET)
    monkeypatch.setenv("CHAT", SECRET)

    found = [it.backlog for it in built(tmp_path, "ci", "chat")]

    assert found == [Backlog("ci", 0), Backlog("chat", 0)]


def test_a_subscriber_is_as_the_file_says_and_has_the_proxy_of_its_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", SECRET)
    monkeypatch.setenv("https_proxy", "http://proxy.corp:3128")
    monkeypatch.setenv("no_proxy", "")
    settings = WebhookSettings(
        name="ci", url="https://e.com/a", secret=HERE, allow_private_network=True
    )

    assert subscriber(settings) == Subscriber(
        name="ci",
        url="https://e.com/a",
        secret=read_secret(SECRET),
        allow_private=True,
        proxy="http://proxy.corp:3128",
    )


@pytest.mark.parametrize(
    ("secret", "says"), [("", "is not set; export it"), ("hunter2", "make one with `echo whsec_")]
)
def test_a_secret_that_is_none_is_refused_by_its_reference(
    secret: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", secret)

    with pytest.raises(SettingsInvalid, match=r"^webhook 'ci': 'env:CI': ") as caught:
        built(tmp_path, "ci")

    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
