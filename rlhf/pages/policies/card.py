# SPDX-License-Identifier: Apache-2.0
"""The card of one policy: lineage, run, win rates against parent and start, KL, reward model and size, as HTML.

Without gradio.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.ids import POLICY, public_id
from data.records import Policy
from data.starter import BASE, SOURCE
from data.store import Store
from data.views.head_to_head import head_to_head
from labeling.texts.pages import DASH, text
from labeling.texts.times import local_time
from reward.report.addresses import link_ids
from rlhf.evaluation.arena import KIND_NAMES
from rlhf.pages.markup import columns, facts, scrolling, table
from rlhf.pages.policies.figures import by_people, describe_judging, format_kl, judged_by, newest_evaluations
from rlhf.runs.disk_use import count_bytes, format_bytes

COLUMNS = ("against", "judge", "win_rate", "kl", "length")
ARROW = " → "


def draw_card(store: Store, policy: Policy) -> str:
    """Return the card."""
    rows = win_rates(store, policy)
    rates = table(columns("policies", COLUMNS), rows, cell=link_ids) if rows else ""
    rates = scrolling(text("policies.win_rates"), rates) if rates else ""
    parent = policy.parent_id and public_id(POLICY, policy.parent_id)
    judging = describe_judging(store, policy.public, parent) if parent else ""
    judging = f"<p>{link_ids(judging)}</p>" if judging else ""
    return f"<div class=card>{facts(describe(store, policy))}{judging}{rates}</div>"


def lineage(store: Store, policy: Policy) -> list[Policy]:
    """Return the start of the lineage, its child and so on, up to the policy itself."""
    line = [policy]
    while (parent := line[-1].parent_id) is not None:
        line.append(store.policies.get(parent))
    return line[::-1]


def win_rates(store: Store, policy: Policy) -> list[list[str]]:
    """Return rows under COLUMNS: against the parent and against the start, by people and by each judge."""
    ancestors = [ancestor.id for ancestor in lineage(store, policy)[:-1]]
    opponents = dict.fromkeys([*ancestors[-1:], *ancestors[:1]])
    return [row for opponent in opponents for row in _rates(store, policy, opponent, opponent == policy.parent_id)]


def _rates(store: Store, policy: Policy, opponent: int, parent: bool) -> Iterator[list[str]]:
    against = public_id(POLICY, opponent)
    name = text("policies.against_parent" if parent else "policies.against_start", policy=against)
    people, judged = by_people(head_to_head(store, "person", (policy.id, opponent)), policy.id, opponent)
    evaluations = newest_evaluations(store, policy.id, opponent)
    if judged or not evaluations:
        yield [name, text("policies.people"), people, DASH, DASH]
    for evaluation in evaluations:
        share, judge = judged_by(evaluation)
        length = evaluation.report.get("length_end")
        yield [name, judge, share, format_kl(evaluation.report), DASH if length is None else f"{length:.0f}"]


def describe(store: Store, policy: Policy) -> dict[str, object]:
    """Return what the policy is and descends from; ids are links on the page."""
    run = store.runs.get(policy.run_id) if policy.run_id else None
    kl = run.report.get("kl") if run else None
    size = size_of(store.home, policy)
    return {
        text("policies.lineage"): ARROW.join(ancestor.public for ancestor in lineage(store, policy)),
        text("policies.column_kind"): KIND_NAMES.get(policy.kind, policy.kind),
        text("policies.run"): run and run.public,
        text("policies.run_kl"): f"{kl:.2f} nats" if isinstance(kl, (int, float)) else None,
        text("policies.reward_model"): policy.reward_model_id and f"r{policy.reward_model_id}",
        text("policies.data"): policy.snapshot_id and f"s{policy.snapshot_id}",
        text("policies.base"): policy.base.rsplit("/", 1)[-1],
        text("policies.size"): format_bytes(size) if size else None,
        text("policies.seed"): policy.seed,
        text("policies.created"): local_time(policy.created_at),
    }


def size_of(home: Path, policy: Policy) -> int:
    """Return the bytes of the policy's own weights: its adapter, or its base if that lies on this disk; else 0."""
    if policy.adapter:
        return count_bytes(home / policy.adapter)
    return count_bytes(BASE if policy.base == SOURCE else Path(policy.base))
