# SPDX-License-Identifier: Apache-2.0
"""A disputed pair as HTML: sides that depend on the pair alone, answers without names, votes apart. Without gradio."""

from __future__ import annotations

from data.records import Comparison, Pair
from data.store import Store
from data.tables.verdicts import MACHINES
from labeling.texts.pages import text
from labeling.texts.user_text import marks
from rlhf.pages.markup import empty, esc, side_by_side
from rlhf.pages.next_step import LABEL_PAGE

VERDICTS = ("left_much", "left", "left_slightly", "tie", "right_slightly", "right", "right_much", "both_bad")


def draw_dispute(store: Store, pair: Pair, waiting: int) -> str:
    """Return a disputed pair: the prompt above both answers, without the labelers' votes."""
    texts = [store.completions.get(id).text for id in sides(pair)]
    prompt = store.prompts.get(pair.prompt_id).text
    lead = f"<p class=soft>{esc(text('disputes.waiting', n=waiting))}</p>"
    return lead + side_by_side(prompt, ("A", texts[0]), ("B", texts[1]))


def draw_votes(store: Store, pair: Pair) -> str:
    """Return the labelers' votes on a pair, in terms of the sides on this page."""
    left, _ = sides(pair)
    names = {account.id: account.name for account in store.accounts.all()}
    lines = "".join(
        f"<li><b>{esc(names[vote.labeler_id])}</b>: {esc(text(f'disputes.{seen_from(vote, left)}'))}"
        f"{_rationale(store, vote)}</li>"
        for vote in store.comparisons.current(pair_id=pair.id)
        if vote.source not in MACHINES and vote.verdict in VERDICTS
    )
    return f"<div class=card><ul>{lines}</ul></div>"


def draw_no_dispute(store: Store) -> str:
    """Return the empty queue: the number of adjudicated pairs, and what makes a pair disputed."""
    decided = len(store.adjudications.current())
    lead = f"<p class=soft>{esc(text('disputes.decided', n=decided))}</p>" if decided else ""
    return lead + empty(text("disputes.none"), LABEL_PAGE, text("link.label"))


def seen_from(vote: Comparison, left: str) -> str:
    """Return the verdict as it reads when `left` is the left answer."""
    if vote.left_id == left or vote.winner_id is None:
        return vote.verdict
    old, new = ("left", "right") if vote.verdict.startswith("left") else ("right", "left")
    return vote.verdict.replace(old, new)


def sides(pair: Pair) -> tuple[str, str]:
    """Return (left, right): always the same for a pair, and swapped for about half of the pairs."""
    swapped = sum(pair.first_id.encode()) % 2
    return (pair.second_id, pair.first_id) if swapped else (pair.first_id, pair.second_id)


def _rationale(store: Store, vote: Comparison) -> str:
    rationale = store.comparisons.rationale(vote.id)
    return f"<br><span class=soft {marks(rationale)}>{esc(rationale)}</span>" if rationale else ""
