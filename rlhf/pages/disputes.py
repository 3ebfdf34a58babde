"""Disputed pairs: two people prefer different answers, a researcher decides without knowing who said what, until asked for."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import gradio as gr

from data.errors import BadInput
from data.records import Account, Comparison, Pair
from data.store import Store
from data.tables.adjudications import Decision
from labeling.accounts.current import current_account
from rlhf.pages.components import QUIET, WHERE, Looks, empty, esc, html, said

LABEL = "../label/"
VERDICTS = {
    "left_much": "A much better",
    "left": "A better",
    "left_slightly": "A slightly better",
    "tie": "The same",
    "right_slightly": "B slightly better",
    "right": "B better",
    "right_much": "B much better",
    "both_bad": "Both bad",
}


class Disputes:
    """The queue's components and handlers. Which pair is on the screen is told by the page, never kept here."""

    def __init__(self, store: Store, looks: Looks) -> None:
        self.store = store
        told = html("dispute-told")
        self.pair, self.asked, last = (gr.Textbox(visible="hidden") for _ in range(3))
        self.dispute, self.votes = html("dispute"), html("votes")
        with gr.Row(elem_classes="line", visible=False, elem_id="verdicts") as self.verdicts:
            presses = {
                verdict: gr.Button(name, scale=0, elem_id=f"verdict-{verdict}") for verdict, name in VERDICTS.items()
            }
            ask = gr.Button("Show what the labelers said", scale=0, elem_id="show-votes")
            later = gr.Button("Later", scale=0, elem_id="later")
        with gr.Row(elem_classes="line"):
            back = gr.Button("Take the last verdict back", scale=0, elem_id="take-back")
        self.screen = [self.pair, self.dispute, self.verdicts, self.votes, self.asked]
        for verdict, press in presses.items():
            press.click(self._press(verdict), [self.pair, self.asked], [told, last, *self.screen], **QUIET)
        ask.click(self.show_votes, self.pair, [self.votes, self.asked], **QUIET)
        later.click(self.later, self.pair, self.screen, **QUIET)
        back.click(self.take_back, last, [told, last, *self.screen], **QUIET)
        self.where = gr.Textbox(visible="hidden")
        gr.on(looks, self.refresh, [self.where, self.pair], self.screen, js=WHERE, **QUIET)

    def refresh(self, place: str, pair: str) -> list:
        """The first disputed pair, where none is on the screen; the one that is there stays."""
        if place.split("/")[0] != "#labels" or pair:
            return [gr.skip()] * len(self.screen)
        return self._show_next("")

    def later(self, pair: str) -> list:
        """Another disputed pair."""
        return self._show_next(pair)

    def show_votes(self, pair: str) -> list:
        """What the labelers said of the pair on the screen."""
        if not pair.isdigit():
            return ["", ""]
        return [votes(self.store, self.store.pairs.get(int(pair))), "1"]

    def decide(self, verdict: str, pair: str, seen: str) -> list:
        """Record the researcher's verdict on the pair that was on the screen, and show the next."""
        account = current_account()
        if not pair.isdigit():
            return [said("No pair is on the screen."), gr.skip(), *[gr.skip()] * len(self.screen)]
        decision = self._decision(int(pair), verdict, account, seen == "1")
        try:
            self.store.adjudications.decide(decision)
        except BadInput as problem:
            return [said(problem), gr.skip(), *self._show_next(pair)]
        return [said(f"Recorded: {VERDICTS[verdict]}."), decision.id, *self._show_next(pair)]

    def take_back(self, last: str) -> list:
        """Take the last verdict back; its pair is on the screen again."""
        account = current_account()
        if not last:
            return [
                said("No verdict was given since this page was opened."),
                gr.skip(),
                *[gr.skip()] * len(self.screen),
            ]
        try:
            old = self.store.adjudications.withdraw(last, account.id)
        except BadInput as problem:
            return [said(problem), gr.skip(), *[gr.skip()] * len(self.screen)]
        return [said("The verdict was taken back."), "", *self._show(old.pair_id)]

    def _decision(self, pair: int, verdict: str, account: Account, seen: bool) -> Decision:
        left, right = sides(self.store.pairs.get(pair))
        return Decision(secrets.token_hex(16), pair, account.id, left, right, verdict, seen)

    def _show_next(self, after: str) -> list:
        """The waiting pair behind `after`, around the end."""
        waiting = self.store.adjudications.open_pairs(limit=1_000)
        behind = [id for id in waiting if not after.isdigit() or id > int(after)] or waiting
        return self._show(behind[0]) if behind else ["", self._none(), gr.Row(visible=False), "", ""]

    def _show(self, pair: int) -> list:
        drawn = dispute(self.store, self.store.pairs.get(pair), self.store.adjudications.open_count())
        return [str(pair), drawn, gr.Row(visible=True), "", ""]

    def _none(self) -> str:
        told = decided(self.store)
        message = "No disputed pair waits. One comes here when two people prefer different answers of a pair that both judged."
        return told + empty(message, LABEL, "Label")

    def _press(self, verdict: str) -> Callable[[str, str], list]:
        def press(pair: str, seen: str) -> list:
            return self.decide(verdict, pair, seen)

        return press


def dispute(store: Store, pair: Pair, waiting: int) -> str:
    """A disputed pair: the prompt above, both answers side by side, without a word of who said what."""
    left, right = sides(pair)
    texts = [store.completions.get(id).text for id in (left, right)]
    answers = "".join(
        f"<div><small>{letter}</small>{esc(text)}</div>" for letter, text in zip("AB", texts, strict=True)
    )
    count = f"{waiting:,} disputed pairs wait" if waiting != 1 else "One disputed pair waits"
    lead = f"<p class=soft>{count}. What the labelers said is hidden until you ask.</p>"
    return (
        f"{lead}<div class=asked>{esc(store.prompts.get(pair.prompt_id).text)}</div><div class=beside>{answers}</div>"
    )


def votes(store: Store, pair: Pair) -> str:
    """What the labelers said about a pair, in terms of the sides on this page."""
    left, _ = sides(pair)
    said = [one for one in store.comparisons.current(pair_id=pair.id) if one.source != "simulated"]
    names = {account.id: account.name for account in store.accounts.all()}
    lines = "".join(
        f"<li><b>{esc(names[one.labeler_id])}</b>: {VERDICTS[seen_from(one, left)]}{_why(store, one)}</li>"
        for one in said
        if one.verdict in VERDICTS
    )
    return f"<div class=card><ul>{lines}</ul></div>"


def seen_from(one: Comparison, left: str) -> str:
    """The verdict as it reads where `left` stands on the left."""
    if one.left_id == left or one.winner_id is None:
        return one.verdict
    old, new = ("left", "right") if one.verdict.startswith("left") else ("right", "left")
    return one.verdict.replace(old, new)


def sides(pair: Pair) -> tuple[str, str]:
    """Which answer stands left: the same one whenever the pair is shown, and the other one for about half of the pairs."""
    swapped = sum(pair.first_id.encode()) % 2
    return (pair.second_id, pair.first_id) if swapped else (pair.first_id, pair.second_id)


def decided(store: Store) -> str:
    """How many pairs were adjudicated."""
    n = len(store.adjudications.current())
    return (
        f"<p class=soft>{n:,} adjudicated; each verdict stands in place of the labelers' comparisons.</p>" if n else ""
    )


def _why(store: Store, one: Comparison) -> str:
    reason = store.comparisons.rationale(one.id)
    return f"<br><span class=soft>{esc(reason)}</span>" if reason else ""
