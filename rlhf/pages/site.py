# SPDX-License-Identifier: Apache-2.0
"""The whole site as one ASGI app: the gate around the pages /label and /train and the API /api/v1."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import fastapi
import gradio as gr
from fastapi.middleware.cors import CORSMiddleware
from gradio.context import LocalContext
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from data.store import Store
from data.watched_loop import WatchedLoop
from labeling.accounts import my_data
from labeling.accounts.current import acting_as
from labeling.accounts.gate import Gate
from labeling.accounts.oidc import OidcClient
from labeling.accounts.presence import Presence
from labeling.api.metrics import metrics_route
from labeling.api.routes import api_router
from labeling.http.observation import ObservedRequests, Observer, PathTemplates, list_paths
from labeling.http.proxy import ProxyHeaders, ServedAddress
from labeling.http.requests import detect_language, detect_zone, get_account
from labeling.http.responses import disk_full_response
from labeling.page import actions, page
from labeling.queue.group_commit import GroupCommit
from labeling.rating import page as rating
from labeling.texts.reader import writing_in
from labeling.texts.translate import FALLBACK, say
from labeling.writing import page as writing
from rlhf.pages import export, theme, train, upload
from rlhf.pages.audit_download import audit_download
from rlhf.pages.calls import CheckedCalls, report_faults
from rlhf.pages.charts import routes as charts
from rlhf.pages.jobs import routes as jobs
from rlhf.pages.runs.log import log_download
from rlhf.pages.runs.notices import ended_route

if TYPE_CHECKING:
    from labeling.http.metrics import ServerMetrics

COMPRESSED = 4096
"""Bytes from which an answer of the researcher's pages is compressed."""
UPLOADS, FILES = (gr.File, gr.UploadButton), (gr.File, gr.DownloadButton)


def compose_site(
    store: Store,
    *,
    address: ServedAddress = ServedAddress(),  # noqa: B008 (a constant)
    presence: Presence | None = None,
    oidc: OidcClient | None = None,
    loops: Sequence[WatchedLoop] = (),
    metrics: ServerMetrics | None = None,
    observers: Sequence[Observer] = (),
) -> ProxyHeaders:
    """Return the site. Its CORS middleware admits no origin, so gradio adds none that admits every origin.

    `loops`: further loops of the server that `/healthz` watches. `metrics`: what GET /metrics answers; None: 404.
    Every observer sees each request. `presence` also records accounts that other processes saw.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(store.home / "cache")
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.add_exception_handler(OSError, disk_full_response)
    group_commit = GroupCommit(store)
    own = [
        *my_data.routes(store),
        *actions.routes(store, group_commit),
        *rating.routes(store),
        audit_download(store),
        export.download(store),
        upload.upload(store),
        *charts.routes(store),
        log_download(store),
        ended_route(store),
        *jobs.routes(store),
        *([metrics_route(metrics)] if metrics else []),
    ]
    app.include_router(api_router(store, group_commit))
    app.router.routes.extend([*own, *writing.routes(store)])
    presence = presence or Presence()
    label = page.build(store)
    mount(app, store, label, "/label", roles=("labeler", "researcher"), theme=page.THEME, head=page.HEAD)
    research = mount_research(app, store, presence)
    app.add_middleware(CheckedCalls, pages={"/label": label, "/train": research})
    gate = Gate(
        app,
        store,
        used={"/label": calls_of(label), "/train": calls_of(research)},
        presence=presence,
        oidc=oidc,
        loops=(group_commit.loop, *loops),
    )
    observed = observe(gate, app.routes, observers)
    return ProxyHeaders(observed, address)


def mount_research(app: fastapi.FastAPI, store: Store, presence: Presence) -> gr.Blocks:
    """Mount the researcher's pages in every language and return those in English.

    A component keeps its labels, so each language has pages of its own, with the same components and handlers.
    """

    def build(language: str, parent: fastapi.FastAPI) -> gr.Blocks:
        with writing_in(language):
            blocks = train.build(store, presence)
            head = theme.head(train.PAGES)
            mount(parent, store, blocks, "/train", roles=("researcher",), theme=theme.theme(), head=head)
        return blocks

    english = build(FALLBACK, app)
    app.mount("/train", ByLanguage(app.router.routes.pop().app, build))  # type: ignore[attr-defined]  # the last is ours
    return english


class ByLanguage:
    """The same pages in several languages at one address: each request gets those in its reader's language.

    Pages in another language than English are built when somebody first asks for them, which takes 0.7 s.
    The framework compresses its scripts only; the page itself is eight times smaller compressed.
    """

    def __init__(self, english: gr.routes.App, build: Callable[[str, fastapi.FastAPI], gr.Blocks]) -> None:
        self._apps = {FALLBACK: GZipMiddleware(english, COMPRESSED)}
        self._build, self._building = build, asyncio.Lock()
        self.routes, self.get_blocks = english.routes, english.get_blocks  # those of all languages are alike

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        language = detect_language(Request(scope))
        if language not in self._apps:
            async with self._building:
                if language not in self._apps:
                    self._apps[language] = await self._start(language)
        await self._apps[language](scope, receive, send)

    async def _start(self, language: str) -> GZipMiddleware:
        """Build pages in a thread, since labelers are served meanwhile. The server's own start is over by now."""
        parent = fastapi.FastAPI()
        parent.add_middleware(CORSMiddleware, allow_origins=[])
        blocks = await asyncio.to_thread(self._build, language, parent)
        blocks.run_startup_events()
        await blocks.run_extra_startup_events()
        return GZipMiddleware(parent.router.routes[-1].app, COMPRESSED)  # type: ignore[attr-defined]


def observe(gate: Gate, routes: Sequence[BaseRoute], observers: Sequence[Observer]) -> Gate | ObservedRequests:
    """Return the gate, with a layer around it if there are observers."""
    if not observers:
        return gate
    paths = [path for _, path in gate.own_routes] + list(list_paths(routes))
    return ObservedRequests(gate, PathTemplates(paths), observers)


def calls_of(blocks: gr.Blocks) -> tuple[str, ...]:
    """Return the framework's calls that these pages need. The gate closes all others.

    A page without handlers needs none.
    """
    parts = list(blocks.blocks.values())
    calls: tuple[str, ...] = ("run/predict",) if blocks.fns else ()
    calls += ("upload", "upload_progress") if any(isinstance(part, UPLOADS) for part in parts) else ()
    calls += ("file=",) if any(isinstance(part, FILES) for part in parts) else ()
    calls += ("queue/",) if any(handler.queue is not False for handler in blocks.fns.values()) else ()
    return calls + (("heartbeat/",) if blocks.config["connect_heartbeat"] else ())


def mount(
    app: fastapi.FastAPI,
    store: Store,
    blocks: gr.Blocks,
    path: str,
    *,
    roles: tuple[str, ...],
    theme: gr.themes.ThemeClass,
    head: str,
) -> None:
    """Mount pages for some roles, without the routes and links that gradio adds.

    Every handler checks the caller's role again.
    """
    blocks.queue(api_open=False)
    for handler in blocks.fns.values():
        handler.fn = handler.fn and require_role(store, handler.fn, roles)
    gr.mount_gradio_app(
        app,
        blocks,
        path,
        run_history=False,
        footer_links=[],
        show_error=False,
        enable_monitoring=False,
        max_file_size="1mb",
        ssr_mode=False,
        theme=theme,
        head=head,
    )


def require_role(store: Store, handler: Callable, roles: tuple[str, ...]) -> Callable:
    """Return `handler` for open accounts of these roles only; inside it `current_account` is the caller.

    The wrapper reads the account again: a queued call may run after the account was closed. Raises gr.Error.
    """

    @wraps(handler)
    def authorised(*given: Any) -> Any:  # noqa: ANN401 - the arguments and result of any handler
        gradio_request = LocalContext.request.get(None)
        request = gradio_request.request if gradio_request else None
        language = detect_language(request) if request else FALLBACK
        caller = get_account(request) if request else None
        account = store.accounts.by_name(caller.name) if caller else None
        if request is None or account is None or account.disabled or account.role not in roles:
            raise gr.Error(say(language, "forbidden"), print_exception=False)
        with acting_as(account), writing_in(language, detect_zone(request)):
            return report_faults(handler)(*given)

    return authorised
