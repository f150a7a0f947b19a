import pytest

from trimtab.wiring.following import proxy_of

PROXY = "http://proxy.corp:3128"


@pytest.fixture(autouse=True)
def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", PROXY)
    monkeypatch.setenv("no_proxy", "otlp.corp,.internal")


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://api.example.com/v1", PROXY),
        ("HTTPS://api.example.com", PROXY),
        ("http://api.example.com", None),
        ("https://otlp.corp:4318/v1/traces", None),
        ("https://a.internal/path", None),
    ],
)
def test_a_url_has_the_proxy_of_its_host(url: str, proxy: str | None) -> None:
    assert proxy_of(url) == proxy
