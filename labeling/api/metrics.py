# SPDX-License-Identifier: Apache-2.0
"""The route GET /metrics, for a researcher's Bearer token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.records import Account
from labeling.api.route import researcher_only

if TYPE_CHECKING:
    from labeling.http.metrics import ServerMetrics  # with prometheus_client, which a server without metrics leaves out


def metrics_route(metrics: ServerMetrics) -> Route:
    """Return the route. The store is read off the event loop."""

    async def send(_request: Request, _account: Account) -> Response:
        return Response(await run_in_threadpool(metrics.render), media_type=metrics.content_type)

    return Route("/metrics", researcher_only(send))
