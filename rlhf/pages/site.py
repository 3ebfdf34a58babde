"""The whole site as one ASGI app: the gate around everything, /label and /train as pages, /api/v1 for programs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import fastapi
import gradio as gr
from fastapi.middleware.cors import CORSMiddleware

from data.store import Store
from labeling import api, page
from labeling.gate import Gate, user
from rlhf.pages import export, look, train


def compose_site(store: Store) -> Gate:
    """Mount the pages; with a CORS middleware of ours gradio's own, which admits every origin, stands down."""
    os.environ["GRADIO_TEMP_DIR"] = str(store.home / "cache")
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.router.routes.extend([*api.routes(store), export.download(store)])
    mount(
        app,
        page.build(store),
        "/label",
        ("labeler", "researcher"),
        theme=page.THEME,
        head=page.HEAD,
        i18n=page.I18N,
    )
    mount(app, train.build(store), "/train", ("researcher",), theme=look.theme(), head=look.HEAD)
    return Gate(app, store)


def mount(app: fastapi.FastAPI, blocks: gr.Blocks, path: str, roles: tuple[str, ...], **look: Any) -> None:
    """One site of pages for some roles, without anything that gradio adds on its own."""
    blocks.queue(api_open=False)
    gr.mount_gradio_app(
        app, blocks, path, auth_dependency=need(*roles), run_history=False, footer_links=[], show_error=False,
        enable_monitoring=False, max_file_size="1mb", ssr_mode=False, **look,
    )  # fmt: skip


def need(*roles: str) -> Callable[[fastapi.Request], str | None]:
    """Who asks, by name, where the gate let somebody of these roles in."""

    def name(request: fastapi.Request) -> str | None:
        account = user(request)
        return account.name if account and account.role in roles else None

    return name
