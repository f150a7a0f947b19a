import pytest

from trimtab.domain.transport import Origin, origin_of


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port"),
    [
        ("https://e.com", "https", "e.com", 443),
        ("http://E.com/a?b=c", "http", "e.com", 80),
        ("HTTPS://e.com:8443/", "https", "e.com", 8443),
        ("http://[::1]:4318", "http", "::1", 4318),
    ],
)
def test_a_url_leads_to_a_host_and_a_port(url: str, scheme: str, host: str, port: int) -> None:
    assert origin_of(url) == Origin(scheme=scheme, host=host, port=port)


def test_what_is_allowed_and_by_which_way_is_kept() -> None:
    origin = origin_of("https://e.com", allow_private=True, ca_file="ca.pem", proxy="http://p:1")

    assert (origin.allow_private, origin.ca_file, origin.proxy) == (True, "ca.pem", "http://p:1")
    assert not origin_of("https://e.com").allow_private


@pytest.mark.parametrize(
    "url", ["", "e.com", "ftp://e.com", "https://", "https:///a", "http://e.com:x", "http://[::1"]
)
def test_what_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"not an http|[Pp]ort|IPv6"):
        origin_of(url)
