"""A browser without a screen: cookies, forms and pages of the console."""

import html
import json
import re
from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

_RAW_RECORD = re.compile(r'<pre[^>]*aria-label="record as JSON"[^>]*>(.*?)</pre>', re.DOTALL)
_PASSWORD = re.compile(r"console login +admin / (\S+)")


def printed_password(log: str) -> str:
    """Find the password that the first start printed."""
    [password] = _PASSWORD.findall(log)
    return password


class Browser:
    """Somebody at the console. State: cookies."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def log_in(self, password: str) -> str:
        """Log in as admin; gives the page that follows."""
        return self.page("/console/login", {"name": "admin", "password": password})

    def page(self, path: str, form: Mapping[str, str] | None = None) -> str:
        """Open a page, or send a form to it."""
        data = None if form is None else urlencode(form).encode()
        with self._opener.open(self._url + path, data, timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def record(self, request_id: str) -> dict[str, Any]:
        """Read the raw record off the page of a request."""
        [raw] = _RAW_RECORD.findall(self.page(f"/console/requests/{request_id}"))
        told: dict[str, Any] = json.loads(html.unescape(raw))
        return told
