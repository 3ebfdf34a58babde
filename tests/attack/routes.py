# SPDX-License-Identifier: Apache-2.0
"""Every route as anonymous, labeler of another project, labeler and researcher: no 500, no text that is not theirs.

The site is composed in this process, with the page framework. Marked texts tell who may see them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from starlette.testclient import TestClient

from data.store import Store
from labeling.http.proxy import ProxyHeaders
from tests.attack import Report
from tests.attack.home import PERSON, SOURCE, TEXT, Caller, callers, make_home
from tests.attack.hostile import VALUES
from tests.attack.server import compose_labeling_site
from tests.support.labeling.routes import registered

FOR_RESEARCHERS = ("/train", "/api/v1/import", "/api/v1/export")
HIDDEN = {
    "anonymous": (TEXT, PERSON, SOURCE),
    "outsider": (TEXT, PERSON, SOURCE),
    "labeler": (PERSON, SOURCE),
    "researcher": (),
}
"""Marks that a role must never receive."""
REFUSED = (303, 307, 401, 403, 404, 405)
ENDING = ("/logout", "/label/erase")
"""Routes that end the caller's session."""


def main(home: Path, *, pages: bool = True) -> Report:
    """Call every route in several ways. `pages`: of the whole site, else of the labeling app."""
    store = make_home(home)
    site = compose(store, pages=pages)
    client = TestClient(site, follow_redirects=False, raise_server_exceptions=False)
    faults: list[str] = []
    statuses: Counter[int] = Counter()
    names = registered(site)
    people = callers(store)
    secrets = [row["hash"] for row in store.rows("SELECT hash FROM tokens")]
    for caller in people:
        for method, path in names:
            for call, arguments in calls(store, home, method, path):
                headers = {} if path in ENDING else caller.headers
                answer = client.request(method, call, headers=headers, **arguments)
                statuses[answer.status_code] += 1
                problems = judge(caller, path, answer.status_code, answer.text, secrets)
                faults += [f"{method} {call} as {caller.role}: {problem}" for problem in problems]
                client.cookies.clear()
    store.close()
    shown = ", ".join(f"{number} x {status}" for status, number in statuses.most_common(6))
    return Report(f"{len(names)} routes x 4 roles, {sum(statuses.values()):,} calls: {shown}", faults)


def compose(store: Store, *, pages: bool) -> ProxyHeaders:
    """Return the whole site, or the labeling app."""
    if not pages:
        return compose_labeling_site(store)
    from rlhf.pages.site import compose_site

    return compose_site(store)


def calls(store: Store, home: Path, method: str, path: str) -> Iterator[tuple[str, dict]]:
    """Yield (path, arguments) of several calls of a route: with ids of others, paths out of the home, no values."""
    item = store.maybe("SELECT id FROM assignments ORDER BY id LIMIT 1")
    assignment = item["id"] if item else "x"
    names = ("predict", "1", "..%2f..%2fetc%2fpasswd", str(home / "feedback.db").lstrip("/"))
    for name in names if "{" in path else ("",):
        filled = re.sub(r"{[^}]*}", name, path)
        if method == "GET":
            yield filled, {}
            yield f"{filled}?as=preferences&what=events&name=x&next=//evil.example&token=x", {}
        else:
            yield filled, {"json": VALUES | {"assignment": assignment}}
            yield filled, {"data": {"id": "0" * 32, "row": "1", "prompt": "1", "score": "3", "name": "nobody"}}
            yield filled, {"content": b""}


def judge(caller: Caller, path: str, status: int, text: str, secrets: list[str]) -> list[str]:
    """Return what is wrong with an answer to a caller."""
    faults = [f"status {status}: {text[:200]!r}"] if status >= 500 else []
    faults += [f"shows {mark}" for mark in HIDDEN[caller.role] if mark in text]
    faults += ["shows a token's hash"] if any(secret in text for secret in secrets) else []
    if path.startswith(FOR_RESEARCHERS) and caller.role != "researcher" and status not in REFUSED:
        faults.append(f"status {status} on a route for researchers")
    return faults
