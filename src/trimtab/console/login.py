"""Coming and going."""

import asyncio
from urllib.parse import urlencode

from starlette.responses import Response

from trimtab.console.auth import SESSION_US, UNKNOWN_ACCOUNT, verify_password
from trimtab.console.base import Visit, see_other

COOKIE = "trimtab_session"
HOME = "/console"


async def show(visit: Visit) -> Response:
    """Ask who is there."""
    return _form(visit, onward(visit.query("next")))


async def enter(visit: Visit) -> Response:
    """Check a password and open a session."""
    form = visit.form
    name, password = form.get("name", "").strip(), form.get("password", "")
    path = onward(form.get("next", ""))
    # The gateway says who called, and nobody else reaches the socket.
    wait_s = visit.throttle.admit(name, visit.request.headers.get("x-trimtab-client", ""))
    if wait_s > 0:
        message = f"Too many attempts. Try again in {wait_s:.0f} s."
        return _form(visit, path, name, message, status=429)
    account = await visit.console.accounts.account(name)
    stored = account.password if account else UNKNOWN_ACCOUNT
    right = await asyncio.to_thread(verify_password, password, stored)
    if account is None or not right:
        return _form(visit, path, name, "That name and password do not match.", status=401)
    visit.throttle.forgive(name)
    response = see_other(path)
    response.set_cookie(
        COOKIE,
        visit.sessions.open(account),
        max_age=SESSION_US // 1_000_000,
        path="/",
        secure=visit.console.secure_cookies,
        httponly=True,
        samesite="strict",
    )
    return response


async def leave(visit: Visit) -> Response:
    """Close the session in this browser."""
    response = see_other(f"{HOME}/login")
    response.delete_cookie(
        COOKIE,
        path="/",
        secure=visit.console.secure_cookies,
        httponly=True,
        samesite="strict",
    )
    return response


def onward(path: str) -> str:
    """Let a login lead to pages of the console only."""
    inside = path == HOME or path.startswith((f"{HOME}/", f"{HOME}?"))
    return path if inside and "\\" not in path else HOME


def login_path(wanted: str) -> str:
    """Where somebody unknown is sent to, and comes back from."""
    return f"{HOME}/login?{urlencode({'next': wanted})}"


def _form(
    visit: Visit, path: str, name: str = "", problem: str = "", *, status: int = 200
) -> Response:
    return visit.page("login.html", {"next": path, "name": name, "problem": problem}, status=status)
