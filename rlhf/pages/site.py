# SPDX-License-Identifier: Apache-2.0
"""The whole site as one ASGI app: the gate around the pages /label and /train and the API /api/v1."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
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
from labeling.http.proxy import ProxyHeaders
from labeling.http.requests import detect_language, detect_zone, get_account
from labeling.http.responses import disk_full_response
from labeling.page import actions, page
from labeling.queue.group_commit import GroupCommit
from labeling.rating import page as rating
from labeling.texts.reader import writing_in
from labeling.texts.translate import FALLBACK, TEXTS, say
from labeling.writing import page as writing
from rlhf.pages import export, theme, train, upload
from rlhf.pages.audit_download import audit_download
from rlhf.pages.calls import CheckedCalls, report_faults
from rlhf.pages.charts import routes as charts

if TYPE_CHECKING:
    from labeling.http.metrics import ServerMetrics

COMPRESSED = 4096
"""Bytes from which an answer of the researcher's pages is compressed."""
UPLOADS, FILES = (gr.File, gr.UploadButton), (gr.File, gr.DownloadButton)


def compose_site(
    store: Store,
    *,
    behind_proxy: bool = False,
    root_path: str = "",
    loopback_only: bool = False,
    oidc: OidcClient | None = None,
    loops: Sequence[WatchedLoop] = (),
    metrics: ServerMetrics | None = None,
    observers: Sequence[Observer] = (),
) -> ProxyHeaders:
    """Return the site. Its CORS middleware admits no origin, so gradio adds none that admits every origin.

    `loops`: further loops of the server that `/healthz` watches. `metrics`: what GET /metrics answers; None: 404.
    Every observer sees each request.
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
        *([metrics_route(metrics)] if metrics else []),
    ]
    app.include_router(api_router(store, group_commit))
    app.router.routes.extend([*own, *writing.routes(store)])
    presence = Presence()
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
    return ProxyHeaders(observed, behind_proxy=behind_proxy, root_path=root_path, loopback_only=loopback_only)


def mount_research(app: fastapi.FastAPI, store: Store, presence: Presence) -> gr.Blocks:
    """Build and mount the researcher's pages once per language, since a component keeps its labels.

    Return those in English; the others have the same components and handlers.
    """
    built, mounted = {}, {}
    for language in TEXTS:
        with writing_in(language):
            built[language] = train.build(store, presence)
            head = theme.head(train.PAGES)
        mount(app, store, built[language], "/train", roles=("researcher",), theme=theme.theme(), head=head)
        mounted[language] = app.router.routes.pop().app  # type: ignore[attr-defined]  # the framework mounts at the end
    app.mount("/train", ByLanguage(mounted))
    return built[FALLBACK]


class ByLanguage:
    """The same pages in several languages at one address: each request gets those in its reader's language.

    The framework compresses its scripts only; the page itself is eight times smaller compressed.
    """

    def __init__(self, apps: Mapping[str, gr.routes.App]) -> None:
        self.apps = {language: GZipMiddleware(app, COMPRESSED) for language, app in apps.items()}
        first: gr.routes.App = next(iter(apps.values()))
        self.routes, self.get_blocks = first.routes, first.get_blocks  # those of all are alike

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        await self.apps[detect_language(Request(scope))](scope, receive, send)


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
