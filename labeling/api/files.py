"""Files in and out of the HTTP API, for researchers: import a body, export to one. Both work on a file in the home's cache."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from data.errors import BadInput, Refused
from data.formats import ALIASES, AUTO, KEYS
from data.formats import FORMATS as IMPORT_FORMATS
from data.records import Account
from data.store import Store
from data.transfer.exporting import FORMATS, LABELS, ExportRequest, export_rows
from data.transfer.importing import import_file
from labeling.accounts.management import audit_name
from labeling.http.bodies import receive_file, require_utf8
from labeling.http.requests import get_account
from labeling.http.responses import error_response, http_error_response

YES_NO = ("false", "true")
IMPORT = {
    "as": tuple(KEYS),
    "format": (AUTO, *IMPORT_FORMATS, *ALIASES),
    "skip_bad": YES_NO,
    "name": None,
    "project": None,
}
EXPORT = {
    "what": tuple(FORMATS),
    "format": tuple(dict.fromkeys(form for forms in FORMATS.values() for form in forms)),
    "labels": tuple(LABELS),
    "project": None,
    "names": YES_NO,
}
"""What the query may say: the values that are taken, None for any text; the first is the default."""

Work = Callable[[Request, Account], Awaitable[Response]]


def routes(store: Store) -> list[Route]:
    """POST /api/v1/import and GET /api/v1/export."""

    async def bring(request: Request, account: Account) -> Response:
        query = asked(request, IMPORT, required="as")
        async with receive_file(request, store.home / "cache") as file:
            work = lambda: import_file(  # noqa: E731
                store,
                file,
                query["as"],
                form=query.get("format", AUTO),
                skip_bad=query.get("skip_bad") == "true",
                name=require_utf8(query.get("name", "")) or "upload",
                by=audit_name(account),
                project=require_utf8(query.get("project", "")),
            )
            try:
                return JSONResponse(
                    {name: value for name, value in (await run_in_threadpool(work)).items() if name != "rejected_file"}
                )
            except BadInput as problem:
                problem.file = problem.file and query.get("name", "the body")
                raise
            finally:
                for left in file.parent.glob(f"{file.name}*"):
                    left.unlink(missing_ok=True)

    async def hand_out(request: Request, account: Account) -> Response:
        query = asked(request, EXPORT, required="what")
        folder = store.home / "cache"
        folder.mkdir(exist_ok=True)
        file = folder / f"{secrets.token_hex(16)}.jsonl"
        project = require_utf8(query.get("project", "")) or None
        wish = ExportRequest(
            query["what"], query.get("format"), query.get("labels", "person"), project, query.get("names") == "true"
        )
        done = await run_in_threadpool(lambda: export_rows(store, file, wish, by=audit_name(account)))
        headers = {"x-rows": str(done["rows"]), "x-omitted": json.dumps(done["omitted"])}
        return FileResponse(
            file,
            filename=f"{query['what']}.jsonl",
            media_type="application/jsonl",
            headers=headers,
            background=BackgroundTask(file.unlink),
        )

    return [
        Route("/api/v1/import", researcher_only(bring), methods=["POST"]),
        Route("/api/v1/export", researcher_only(hand_out), methods=["GET"]),
    ]


def researcher_only(work: Work) -> Callable[[Request], Awaitable[Response]]:
    """For researchers; what goes wrong is one JSON line."""

    async def answer(request: Request) -> Response:
        account = get_account(request)
        if account is None or account.role != "researcher":
            return JSONResponse(Refused("only researchers may do this", "Use a researcher's token.").as_json(), 403)
        try:
            return await work(request, account)
        except HTTPException as problem:
            return http_error_response(problem)
        except BadInput as problem:
            return error_response(request, problem)

    return answer


def asked(request: Request, known: dict[str, tuple[str, ...] | None], *, required: str) -> dict[str, str]:
    """The query. Raises BadInput for a name or a value that is not `known`, or without `required`."""
    query = dict(request.query_params)
    for name, value in query.items():
        if name not in known:
            raise BadInput(f"there is no parameter {name!r}", f"Take one of {', '.join(known)}.", field=name)
        values = known[name]
        if values is not None and value not in values:
            raise BadInput(f"{value!r} cannot be taken", f"Take one of {', '.join(values)}.", field=name)
    if required not in query:
        raise BadInput(
            f"the parameter {required!r} is missing", f"Take one of {', '.join(known[required] or ())}.", field=required
        )
    return query
