# SPDX-License-Identifier: Apache-2.0
"""The family tree of policies: a nested list of links, children below their parent, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data.ids import POLICY
from data.records import Note, Policy
from data.store import Store
from data.tables.notes import EMPTY
from data.views.head_to_head import HeadToHead
from labeling.texts.pages import text
from reward.report.addresses import id_link, link_ids
from rlhf.evaluation.arena import KIND_NAMES
from rlhf.pages.markup import esc
from rlhf.pages.policies.figures import by_people, format_kl, judged_by, newest_evaluations
from rlhf.pages.runs.run_list import describe_tags

Children = Mapping[int | None, Sequence[Policy]]
"""Children by their parent's id, oldest first; those without a known parent by None."""


def find_children(policies: Sequence[Policy]) -> Children:
    """Return the children of each policy."""
    children: dict[int | None, list[Policy]] = {}
    known = {policy.id for policy in policies}
    for policy in policies:
        children.setdefault(policy.parent_id if policy.parent_id in known else None, []).append(policy)
    return children


def draw_tree(store: Store, chosen: str, met: Sequence[HeadToHead]) -> str:
    """Return the tree with the chosen policy marked; `met`: people's comparisons between policies."""
    children = find_children(store.policies.all())
    notes = store.notes.all(POLICY)
    lines = {
        policy.id: _line(store, policy, met, notes.get(policy.id, EMPTY))
        for family in children.values()
        for policy in family
    }
    label = esc(text("policies.table"))
    return f"<nav class=tree aria-label='{label}'>{_branches(children, lines, chosen)}</nav>" if children else ""


def _branches(children: Children, lines: Mapping[int, str], chosen: str) -> str:
    """Return the nested list. A stack stands for recursion: a chain of runs may be deeper than Python's limit."""
    parts, waiting = ["<ul>"], [iter(children.get(None, ()))]
    while waiting:
        policy = next(waiting[-1], None)
        if policy is None:
            waiting.pop()
            parts.append("</ul></li>" if waiting else "</ul>")
            continue
        mark = " aria-current=true" if policy.public == chosen else ""
        parts.append(f"<li><div{mark}>{lines[policy.id]}</div>")
        if policy.id in children:
            parts.append("<ul>")
            waiting.append(iter(children[policy.id]))
        else:
            parts.append("</li>")
    return "".join(parts)


def _line(store: Store, policy: Policy, met: Sequence[HeadToHead], note: Note) -> str:
    """Return one policy: its link, name, tags and kind, and its figures against its parent. A name by people wins."""
    kind = esc(KIND_NAMES.get(policy.kind, policy.kind))
    tags = map(esc, describe_tags(note))
    figures = " · ".join([*tags, kind, *map(link_ids, _figures(store, policy, met))])
    return f"{id_link(policy.public)} <b dir=auto>{esc(note.name or policy.name)}</b> <span class=soft>{figures}</span>"


def _figures(store: Store, policy: Policy, met: Sequence[HeadToHead]) -> list[str]:
    if policy.parent_id is None:
        return []
    people, judged = by_people(met, policy.id, policy.parent_id)
    figures = [text("policies.by_people", share=people)] if judged else []
    for evaluation in newest_evaluations(store, policy.id, policy.parent_id)[-1:]:
        share, judge = judged_by(evaluation)
        figures.append(text("policies.by_judge", share=share, judge=judge))
        if evaluation.report.get("kl") is not None:
            figures.append(f"KL {format_kl(evaluation.report)}")
    return figures or [text("policies.not_judged")]
