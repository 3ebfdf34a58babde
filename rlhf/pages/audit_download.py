# SPDX-License-Identifier: Apache-2.0
"""The audit list as a download of the People page, for researchers."""

from __future__ import annotations

import secrets

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from data.records import Account
from data.store import Store
from data.transfer.audit_export import write_audit
from labeling.accounts.management import audit_name
from labeling.api.route import researcher_only

ADDRESS = "audit.csv"
"""Below the page's own address, so that it holds under any root path."""


def audit_download(store: Store) -> Route:
    """Return the route GET /train/audit.csv. The download itself is an act of the list."""

    async def send(_request: Request, account: Account) -> FileResponse:
        folder = store.home / "cache"
        folder.mkdir(exist_ok=True)
        file = folder / f"{secrets.token_hex(16)}.csv"
        await run_in_threadpool(store.audit.add, audit_name(account), "export", what="audit")
        await run_in_threadpool(write_audit, store, file, "csv")
        return FileResponse(file, filename=ADDRESS, media_type="text/csv", background=BackgroundTask(file.unlink))

    return Route(f"/train/{ADDRESS}", researcher_only(send))
