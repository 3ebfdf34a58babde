# SPDX-License-Identifier: Apache-2.0
"""Answers of labelers: to a session, and to the page."""

from __future__ import annotations

from labeling.session import Answer


def answer_to(item, verdict="left", number=0, **fields):
    """Return an answer to an item of a session; `number` makes its id another one."""
    return Answer(f"answer-{item.assignment[:8]}-{number}", item.assignment, verdict, **fields)


def answer_body(reply, verdict="left", number=0, **fields):
    """Return the body of an answer to the item of a page's reply."""
    assignment = reply["item"]["assignment"]
    return {"answer": {"id": f"page-answer-{number}", "assignment": assignment, "verdict": verdict, **fields}}


def judge_all(session):
    """Answer until the queue is empty; return the items in their order."""
    items = []
    while item := session.next():
        items.append(item)
        session.submit(answer_to(item))
    return items
