# SPDX-License-Identifier: Apache-2.0
"""Disputed pairs: labelers prefer different answers; a researcher decides, and sees their votes only on request."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import gradio as gr

from data.errors import BadInput
from data.ids import parse_number
from data.store import Store
from data.tables.adjudications import Decision
from labeling.accounts.current import current_account
from labeling.texts.pages import text
from reward.page import QUIET, Look, Updates
from reward.report.view import message_html
from rlhf.pages.components import hidden, html, unchanged
from rlhf.pages.disputes_view import VERDICTS, draw_dispute, draw_no_dispute, draw_votes, sides


class Disputes:
    """The components and handlers of the queue. The browser holds the pair on the screen, the server does not."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store = store
        self.status = html("dispute-told")
        self.pair, self.votes_seen, self.last = hidden(), hidden(), hidden()
        self.dispute, self.votes = html("dispute"), html("votes")
        with gr.Row(elem_classes="line", visible=False, elem_id="verdicts") as self.verdicts:
            buttons = {
                verdict: gr.Button(text(f"disputes.{verdict}"), scale=0, elem_id=f"verdict-{verdict}")
                for verdict in VERDICTS
            }
            show_votes = gr.Button(text("disputes.show_votes"), scale=0, elem_id="show-votes")
            later = gr.Button(text("disputes.later"), scale=0, elem_id="later")
        with gr.Row(elem_classes="line"):
            undo = gr.Button(text("disputes.undo"), scale=0, elem_id="take-back")
        screen = [self.pair, self.dispute, self.verdicts, self.votes, self.votes_seen]
        decided = [self.status, self.last, *screen]
        for verdict, button in buttons.items():
            button.click(self._handler(verdict), [self.pair, self.votes_seen], decided, **QUIET)
        show_votes.click(self.show_votes, self.pair, [self.votes, self.votes_seen], **QUIET)
        later.click(self.later, self.pair, screen, **QUIET)
        undo.click(self.undo, self.last, decided, **QUIET)
        gr.on(look, self.refresh, [self.pair], screen, **QUIET)

    def refresh(self, pair: str) -> Updates:
        """Show the first disputed pair, unless one is on the screen."""
        return unchanged() if pair else self._show_next("")

    def later(self, pair: str) -> Updates:
        """Show another disputed pair."""
        return self._show_next(pair)

    def show_votes(self, pair: str) -> Updates:
        """Show the labelers' votes on the pair on the screen."""
        try:
            votes = draw_votes(self.store, self.store.pairs.get(parse_number(pair) or 0))
        except BadInput:
            return {self.votes: "", self.votes_seen: ""}
        return {self.votes: votes, self.votes_seen: "1"}

    def decide(self, verdict: str, pair: str, votes_seen: str) -> Updates:
        """Record the researcher's verdict on the pair on the screen, and show the next."""
        pair_id = parse_number(pair)
        if pair_id is None:
            return {self.status: message_html(text("disputes.no_pair"))}
        try:
            decision = self._decision(pair_id, verdict, votes_seen == "1")
            self.store.adjudications.decide(decision)
        except BadInput as problem:
            return {self.status: message_html(problem), **self._show_next(pair)}
        recorded = message_html(text("disputes.recorded", verdict=text(f"disputes.{verdict}")))
        return {self.status: recorded, self.last: decision.id, **self._show_next(pair)}

    def undo(self, last: str) -> Updates:
        """Retract the last verdict and show its pair again."""
        if not last:
            return {self.status: message_html(text("disputes.nothing_to_undo"))}
        try:
            retracted = self.store.adjudications.withdraw(last, current_account().id)
        except BadInput as problem:
            return {self.status: message_html(problem)}
        return {self.status: message_html(text("disputes.undone")), self.last: "", **self._show(retracted.pair_id)}

    def _decision(self, pair: int, verdict: str, votes_seen: bool) -> Decision:
        left, right = sides(self.store.pairs.get(pair))
        return Decision(secrets.token_hex(16), pair, current_account().id, left, right, verdict, votes_seen)

    def _show_next(self, after: str) -> Updates:
        """Show the waiting pair after `after`, from the end on to the first."""
        waiting = self.store.adjudications.open_pairs(limit=1_000)
        following = [id for id in waiting if id > (parse_number(after) or 0)] or waiting
        return self._show(following[0] if following else None)

    def _show(self, pair: int | None) -> Updates:
        if pair is None:
            drawn = draw_no_dispute(self.store)
        else:
            drawn = draw_dispute(self.store, self.store.pairs.get(pair), self.store.adjudications.open_count())
        return {
            self.pair: "" if pair is None else str(pair),
            self.dispute: drawn,
            self.verdicts: gr.Row(visible=pair is not None),
            self.votes: "",
            self.votes_seen: "",
        }

    def _handler(self, verdict: str) -> Callable[[str, str], Updates]:
        def press(pair: str, votes_seen: str) -> Updates:
            return self.decide(verdict, pair, votes_seen)

        return press
