"""The console and the admin API as one ASGI application: its pages, in one table."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from trimtab.console import (
    admin,
    admin_models,
    admin_prompts,
    alert,
    alerts,
    audit,
    breaker,
    calibration,
    case,
    changes,
    compare,
    conversation,
    costs,
    erasures,
    eval_compare,
    eval_run,
    evals,
    keys,
    labelling,
    login,
    metrics,
    model_move,
    models,
    overview,
    pipeline,
    prompt,
    prompt_diff,
    prompt_edit,
    prompt_move,
    prompt_version,
    prompts,
    reconcile,
    reconcile_book,
    request,
    requests,
    switch,
    tenant,
    tenants,
)
from trimtab.console.auth import Right, Sessions, Throttle
from trimtab.console.base import Console, Visit
from trimtab.console.failure import failure
from trimtab.console.gate import MAX_BODY_BYTES, MAX_FILE_BYTES, Gate
from trimtab.console.headers import SecurityHeaders
from trimtab.console.openapi import Call, Told, document
from trimtab.console.samples import samples
from trimtab.console.view import Asset, load_assets
from trimtab.console.wire import change_members
from trimtab.domain.change import Change
from trimtab.domain.errors import TrimtabError


@dataclass(frozen=True, slots=True)
class Page:
    """One page or form: where it is, what right it takes, what answers.

    Attributes:
        right: `None` opens it to everybody.
        max_bytes: The most that may be posted.
    """

    method: str
    path: str
    right: Right | None
    answer: Callable[[Visit], Awaitable[Response]]
    max_bytes: int = MAX_BODY_BYTES


def _switch(path: str, forms: switch.SwitchForms, verbs: Sequence[str]) -> Iterator[Page]:
    """Give the form and what it does, for each thing that can be done with a kill switch."""
    for verb in verbs:
        yield Page("GET", f"{path}/{verb}", Right.OPERATE, partial(forms.ask, verb=verb))
        yield Page("POST", f"{path}/{verb}", Right.OPERATE, partial(forms.throw, verb=verb))


_VERSION = "/console/prompts/{name}/versions/{version}"
_ADJUSTMENT = "/console/reconcile/adjustments/{id}"
PAGES = (
    Page("GET", "/console/login", None, login.show),
    Page("POST", "/console/login", None, login.enter),
    Page("POST", "/console/logout", Right.READ, login.leave),
    Page("GET", "/console", Right.READ, overview.show),
    Page("GET", "/console/live", Right.READ, overview.live),
    Page("GET", "/console/requests", Right.READ, requests.show),
    Page("GET", "/console/tail", Right.READ, requests.tail),
    Page("GET", "/console/tail/rows", Right.READ, requests.tail_rows),
    Page("POST", "/console/filters", Right.READ, requests.save),
    Page("POST", "/console/filters/delete", Right.READ, requests.unsave),
    Page("GET", "/console/requests/{id}", Right.READ, request.show),
    Page("GET", "/console/requests/{id}/case", Right.CONTENT, case.ask),
    Page("POST", "/console/requests/{id}/case", Right.CONTENT, case.make),
    Page("GET", "/console/conversations/{id:path}", Right.READ, conversation.show),
    Page("GET", "/console/compare", Right.READ, compare.show),
    Page("GET", "/console/pipeline", Right.READ, pipeline.show),
    Page("GET", "/console/pipeline/live", Right.READ, pipeline.live),
    Page("GET", "/console/models", Right.READ, models.show),
    Page("GET", "/console/models/{name}/move", Right.OPERATE, model_move.ask),
    Page("POST", "/console/models/{name}/move", Right.OPERATE, model_move.move),
    Page("GET", "/console/prompts", Right.READ, prompts.show),
    Page("GET", "/console/prompts/new", Right.DRAFT, prompt_edit.ask),
    Page("POST", "/console/prompts/new", Right.DRAFT, prompt_edit.send, MAX_FILE_BYTES),
    Page("GET", "/console/prompts/{name}", Right.READ, prompt.show),
    Page("POST", "/console/prompts/{name}/rollback", Right.OPERATE, prompt.roll_back),
    Page("GET", "/console/prompts/{name}/move", Right.OPERATE, prompt_move.ask),
    Page("POST", "/console/prompts/{name}/move", Right.OPERATE, prompt_move.move),
    Page("GET", "/console/prompts/{name}/diff", Right.READ, prompt_diff.show),
    Page("GET", _VERSION, Right.READ, prompt_version.show),
    Page("POST", f"{_VERSION}/preview", Right.READ, prompt_version.preview, MAX_FILE_BYTES),
    Page("POST", f"{_VERSION}/approve", Right.DRAFT, prompt_version.approve),
    Page("POST", f"{_VERSION}/yank", Right.OPERATE, prompt_version.yank),
    Page("POST", f"{_VERSION}/unyank", Right.OPERATE, prompt_version.unyank),
    Page("GET", "/console/breaker", Right.OPERATE, breaker.ask),
    Page("POST", "/console/breaker", Right.OPERATE, breaker.decide),
    Page("GET", "/console/costs", Right.READ, costs.show),
    Page("GET", "/console/costs.csv", Right.READ, costs.download),
    Page("GET", "/console/tenants", Right.READ, tenants.show),
    Page("GET", "/console/tenants/{id}", Right.READ, tenant.show),
    *_switch("/console/tenants/{id}", switch.TENANTS, ("suspend", "throttle", "resume")),
    *_switch("/console/site", switch.SITE, ("suspend", "resume")),
    Page("GET", "/console/alerts", Right.READ, alerts.show),
    Page("GET", "/console/alerts/{id}", Right.READ, alert.show),
    Page("POST", "/console/alerts/{id}/silence", Right.OPERATE, alert.silence),
    Page("POST", "/console/alerts/{id}/tell", Right.OPERATE, alert.tell_again),
    Page("POST", "/console/alerts/routes/{name}/test", Right.OPERATE, alerts.try_route),
    Page("GET", "/console/reconcile", Right.READ, reconcile.show),
    Page("GET", _ADJUSTMENT, Right.OPERATE, reconcile_book.ask),
    Page("POST", _ADJUSTMENT, Right.OPERATE, reconcile_book.book),
    Page("GET", "/console/keys", Right.OPERATE, keys.show),
    Page("GET", "/console/keys/new", Right.ADMINISTER, keys.ask_create),
    Page("POST", "/console/keys/new", Right.ADMINISTER, keys.create),
    Page("GET", "/console/keys/{id}/rotate", Right.ADMINISTER, partial(keys.ask, verb="rotate")),
    Page("POST", "/console/keys/{id}/rotate", Right.ADMINISTER, keys.rotate),
    Page("GET", "/console/keys/{id}/revoke", Right.ADMINISTER, partial(keys.ask, verb="revoke")),
    Page("POST", "/console/keys/{id}/revoke", Right.ADMINISTER, keys.revoke),
    *_switch("/console/keys/{id}", switch.KEYS, ("suspend", "resume")),
    Page("GET", "/console/evals/calibration", Right.READ, calibration.show),
    Page("GET", "/console/evals/label/{run}/{metric}", Right.DRAFT, labelling.show),
    Page("POST", "/console/evals/label/{run}/{metric}", Right.DRAFT, labelling.answer),
    Page("GET", "/console/evals", Right.READ, evals.show),
    Page("GET", "/console/evals/compare", Right.READ, eval_compare.show),
    # whatever else is under /console/evals/ stands before it
    Page("GET", "/console/evals/{run}", Right.READ, eval_run.show),
    Page("GET", "/console/audit", Right.ADMINISTER, audit.show),
    Page("GET", "/console/erasures", Right.ADMINISTER, erasures.show),
    Page("POST", "/console/erasures", Right.ADMINISTER, erasures.order),
    Page("GET", "/console/changes", Right.READ, changes.show),
    Page("GET", "/console/changes/{seq}", Right.READ, changes.show_one),
    Page("POST", "/console/changes/{seq}/undo", Right.OPERATE, changes.undo),
)
"""Every page and form of the console, with the right it takes."""


CALLS = (*admin.CALLS, *admin_models.CALLS, *admin_prompts.CALLS)
"""Every call of the admin API."""


def create_app(console: Console) -> Starlette:
    """Build the application that serves `/console`, `/admin/v1` and `/metrics`."""
    sessions = Sessions(console.session_key, console.accounts, console.clock)
    gate = Gate(console, sessions, Throttle(console.clock))
    return Starlette(
        routes=[
            Route("/", RedirectResponse("/console")),
            *(_page(gate, page) for page in PAGES),
            *(_call(gate, call) for call in CALLS),
            _metrics(gate, console),
            _health(console),
            Route(
                "/admin/v1/openapi.json",
                _described,
                methods=["GET"],
            ),
            Route("/console/static/{name:path}", _static(load_assets())),
        ],
        middleware=[Middleware(SecurityHeaders), Middleware(GZipMiddleware, minimum_size=1024)],
        exception_handlers={TrimtabError: failure, HTTPException: failure, Exception: failure},
    )


_JSON = "application/json"
_FOR_EVER = "public, max-age=31536000, immutable"


def _page(gate: Gate, page: Page) -> Route:
    async def endpoint(request: Request) -> Response:
        return await page.answer(await gate.page(request, page.right, page.max_bytes))

    return Route(page.path, endpoint, methods=[page.method])


def _call(gate: Gate, call: Call) -> Route:
    async def endpoint(request: Request) -> Response:
        visit = await gate.call(request, call.right, call.max_bytes)
        told = await call.answer(visit)
        if isinstance(told, Change):
            told = {"change": change_members(told)}
        if not isinstance(told, Told):
            told = Told(told, call.status)
        return Response(msgspec.json.encode(told.value), told.status, media_type=_JSON)

    return Route(call.path, endpoint, methods=[call.method])


def _metrics(gate: Gate, console: Console) -> Route:
    async def endpoint(request: Request) -> Response:
        if not metrics.is_open(console, request):
            await gate.call(request, Right.READ)
        form = metrics.form_of(request.headers.get("accept", ""))
        text = metrics.written(await samples(console), form)
        return Response(text, media_type=form.value)

    return Route("/metrics", endpoint)


def _health(console: Console) -> Route:
    async def endpoint(_: Request) -> Response:
        wrong = await console.pulse()
        told = msgspec.json.encode({"status": wrong or "ok"})
        return Response(told, 200 if wrong is None else 503, media_type=_JSON)

    return Route("/console/healthz", endpoint)


@cache
def _description() -> bytes:
    return document(CALLS)


async def _described(_: Request) -> Response:
    return Response(_description(), media_type=_JSON)


def _static(assets: Mapping[str, Asset]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        asset = assets.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404)
        lasting = request.query_params.get("v") == asset.version
        headers = {"cache-control": _FOR_EVER if lasting else "no-cache"}
        return Response(asset.content, 200, headers, asset.media_type)

    return endpoint
