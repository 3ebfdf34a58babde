# SPDX-License-Identifier: Apache-2.0
"""Files of the HTTP API, for researchers: import a body, export to one. Both use a file in the home's cache."""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse

from data.errors import BadInput, rename_options
from data.formats.mapping import parse_mapping
from data.store import Store
from data.transfer.checked_rows import ImportFile, Reading
from data.transfer.exporting import ExportRequest, export_rows
from data.transfer.importing import import_files
from labeling.accounts.management import audit_name
from labeling.api.models import ExportQuery, ImportQuery, ImportReply
from labeling.api.option_names import PARAMETERS
from labeling.api.route import Researcher
from labeling.http.bodies import receive_file

FILE_BODY: dict[str, Any] = {"requestBody": {"content": {"application/octet-stream": {}}}}
ROWS: dict[str, Any] = {
    "description": "One row a line. X-Rows counts them; X-Omitted names the omitted rows and the reasons.",
    "content": {"application/jsonl": {}},
}


def add_file_routes(router: APIRouter, store: Store) -> None:
    """Add POST import and GET export to the router."""

    @router.post("/import", response_model=ImportReply, openapi_extra=FILE_BODY)
    async def import_body(
        request: Request, account: Researcher, query: Annotated[ImportQuery, Query()]
    ) -> JSONResponse:
        """Import the body: any file that the command reads. A bad row changes nothing, and the error names it."""
        mapping = parse_mapping(await run_in_threadpool(store.column_mappings.resolve, query.map))
        async with receive_file(request, store.home / "cache") as file:
            try:
                report = await run_in_threadpool(
                    import_files,
                    store,
                    [ImportFile.at(file, query.name or "upload", query.encoding)],
                    Reading(query.kind, query.format, mapping),
                    skip_bad=query.skip_bad,
                    by=audit_name(account),
                    project=query.project,
                )
            except BadInput as problem:
                problem.file = problem.file and (query.name or "the body")
                raise
            finally:
                for leftover in file.parent.glob(f"{file.name}*"):
                    leftover.unlink(missing_ok=True)
        for bad in report["problems"]:
            bad["reason"] = rename_options(bad["reason"], PARAMETERS)
        return JSONResponse({name: value for name, value in report.items() if name != "rejected_file"})

    @router.get("/export", response_class=FileResponse, responses={200: ROWS})
    async def export_file(account: Researcher, query: Annotated[ExportQuery, Query()]) -> FileResponse:
        """Export as JSON lines."""
        folder = store.home / "cache"
        folder.mkdir(exist_ok=True)
        file = folder / f"{secrets.token_hex(16)}.jsonl"
        wanted = ExportRequest(query.what, query.format, query.labels, query.project or None, query.names)
        report = await run_in_threadpool(export_rows, store, file, wanted, by=audit_name(account))
        return FileResponse(
            file,
            filename=f"{query.what}.jsonl",
            media_type="application/jsonl",
            headers={"x-rows": str(report["rows"]), "x-omitted": json.dumps(report["omitted"])},
            background=BackgroundTask(file.unlink),
        )
