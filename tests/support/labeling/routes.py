# SPDX-License-Identifier: Apache-2.0
"""Every route that a site registers, the page framework's included."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.routing import BaseRoute, Mount

from labeling.http.proxy import ProxyHeaders


def registered(site: ProxyHeaders) -> list[tuple[str, str]]:
    """Return (method, path) of every route: those of the gate, and those behind it."""
    behind = [(method, path) for route in site.app.app.routes for method, path in flat(route, "")]
    return sorted({*site.app.own_routes, *behind})


def flat(route: BaseRoute, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield (method, path) of a route, or of the routes below it."""
    inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
    if inner:
        below = prefix + (
            route.path if isinstance(route, Mount) else getattr(getattr(route, "include_context", None), "prefix", "")
        )
        for route_below in inner:
            yield from flat(route_below, below)
    else:
        for method in sorted((getattr(route, "methods", None) or {"GET"}) - {"HEAD"}):
            yield method, prefix + route.path
