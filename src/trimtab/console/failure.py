"""What people and programs are told when something was refused or went wrong."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from trimtab.console.login import login_path
from trimtab.console.view import render
from trimtab.domain.errors import (
    BodyTooLarge,
    ChangeConflict,
    ContentExpired,
    Forbidden,
    InUse,
    InvalidRequest,
    LegalHoldActive,
    NotFound,
    NothingToRollBackTo,
    PreconditionRequired,
    PromptVariablesInvalid,
    RecordErased,
    Refused,
    SettingsInvalid,
    TrimtabError,
    TryLater,
    Unauthenticated,
    VersionBlocked,
    VersionImmutable,
)

STATUS: tuple[tuple[type[TrimtabError], int], ...] = (
    (InvalidRequest, 400),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (LegalHoldActive, 409),
    (RecordErased, 410),
    (ContentExpired, 410),
    (VersionBlocked, 410),
    (PreconditionRequired, 428),
    (PromptVariablesInvalid, 400),
    (NotFound, 404),
    (BodyTooLarge, 413),
    (Refused, 403),
    (ChangeConflict, 409),
    (VersionImmutable, 409),
    (InUse, 409),
    (NothingToRollBackTo, 409),
    (SettingsInvalid, 422),
    (TryLater, 503),
    (TrimtabError, 500),
)
"""HTTP status of each error; the first class that fits counts."""

_FOR_PROGRAMS = ("/admin/", "/metrics")


async def failure(request: Request, error: Exception) -> Response:
    """Turn an error into a page, a JSON error, or the way to the login.

    What is not ours stays unexplained; the log has it.
    """
    status, code, message = _explain(error)
    if request.url.path.startswith(_FOR_PROGRAMS):
        body = {"error": {"code": code, "message": message}}
        return JSONResponse(body, status)
    if isinstance(error, Unauthenticated):
        return _to_login(request)
    context = {"status": status, "title": HTTPStatus(status).phrase, "message": message}
    return HTMLResponse(render("failure.html", context), status)


def _explain(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, TrimtabError):
        status = next(status for kind, status in STATUS if isinstance(error, kind))
        return status, error.code, str(error)
    if isinstance(error, HTTPException):
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return error.status_code, code, "there is nothing here; look at the address"
    return 500, TrimtabError.code, "this is a fault of the console; its log says more"


def _to_login(request: Request) -> Response:
    """Send a browser to log in; a page that refreshes itself is told to load anew."""
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"hx-refresh": "true"})
    path = request.url.path
    wanted = f"{path}?{request.url.query}" if request.url.query else path
    return RedirectResponse(login_path(wanted if request.method == "GET" else path), 303)
