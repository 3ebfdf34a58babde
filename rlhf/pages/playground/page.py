# SPDX-License-Identifier: Apache-2.0
"""The Playground page: a typed chat, up to four policies or endpoints that answer side by side, and what people keep.

The page's address names the chosen policies and endpoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import gradio as gr
from gradio.blocks import Block

from data.errors import BadInput
from data.store import Store
from data.tables.projects import STANDARD
from data.thoughts import split_thoughts
from labeling.accounts.current import current_account
from labeling.texts.pages import text
from labeling.texts.translate import Refusal
from reward.page import QUIET, Look, Updates, on_address
from reward.report.addresses import unknown
from reward.report.view import message_html
from rlhf.pages.components import heading, hidden, html, unchanged
from rlhf.pages.playground.choices import mark_models, offer_models, read_address
from rlhf.pages.playground.view import draw_chat, draw_replies
from rlhf.playground.exchange import LONGEST_ANSWER, MOST_POLICIES, Question, Reply, join_turns, read_number, read_seed
from rlhf.playground.process import Playground
from rlhf.playground.storing import PAIR, SOURCE, save_prompt, send_pair
from rlhf.sampling.listed_endpoints import read_endpoints

ADDRESS_OF_POLICIES = """(chosen) => {
  location.hash = ["playground", ...(chosen.length ? [chosen.map(encodeURIComponent).join(",")] : [])].join("/");
  return chosen.join(",");
}"""
"""The JavaScript that moves the page's address to the chosen policies, as `#playground/p1,p2`."""


class PlaygroundPage:
    """The page's components and its handlers. The browser holds the turns and the number of the question."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store, self.playground = store, Playground(store.home)
        heading("playground")
        self.turns, self.number, self.drawn = hidden(), hidden(), hidden()
        self.address, self.offered, self.addressed = hidden(), hidden(), hidden()
        self.chat = html()
        self._add_question()
        self.status = html()
        self.answers = html("playground-answers")
        self._add_keeping()
        self._wire(look)

    def _add_question(self) -> None:
        free: dict[str, Any] = {"allow_custom_value": True}
        self.prompt = gr.Textbox(
            label=text("playground.prompt"), info=text("playground.prompt_info"), lines=3, elem_id="playground-prompt"
        )
        with gr.Row(elem_classes="fields"):
            self.policies = gr.Dropdown(
                [],
                label=text("playground.policies"),
                info=text("playground.policies_info"),
                multiselect=True,
                max_choices=MOST_POLICIES,
                min_width=280,
                elem_id="playground-policies",
                **free,
            )
            self.rewards = gr.Dropdown(
                [],
                label=text("playground.rewards"),
                multiselect=True,
                min_width=220,
                elem_id="playground-rewards",
                **free,
            )
        with gr.Accordion(text("playground.more"), open=False), gr.Row(elem_classes="fields"):
            self.system = gr.Textbox(label=text("playground.system"), info=text("playground.system_info"), lines=2)
            self.length = gr.Number(
                200, label=text("playground.length"), precision=0, minimum=1, maximum=LONGEST_ANSWER
            )
            self.temperature = gr.Number(
                1.0, label=text("playground.temperature"), info=text("playground.temperature_info")
            )
            self.seed = gr.Textbox(  # an empty gr.Number arrives as 0
                label=text("playground.seed_field"), info=text("playground.seed_info"), elem_id="playground-seed"
            )
            self.rollouts = gr.Textbox(
                label=text("playground.rollouts"), info=text("playground.rollouts_info"), elem_id="playground-rollouts"
            )
        with gr.Row(elem_classes="line"):
            self.ask = gr.Button(text("playground.ask"), variant="primary", scale=0, elem_id="playground-ask")
            self.stop = gr.Button(text("playground.stop"), scale=0, elem_id="playground-stop")
            self.clear = gr.Button(text("playground.clear"), scale=0, elem_id="playground-clear")

    def _add_keeping(self) -> None:
        with gr.Row(elem_classes="line", visible=False) as self.keeping:
            about: dict[str, Any] = {"label": text("playground.chosen"), "elem_id": "playground-chosen"}
            self.chosen = gr.CheckboxGroup([], scale=0, min_width=260, **about)
            self.project = gr.Dropdown([], label=text("playground.project"), scale=0, min_width=220)
            self.go_on = gr.Button(text("playground.go_on"), scale=0, elem_id="playground-go-on")
            self.pair = gr.Button(text("playground.pair"), scale=0, elem_id="playground-pair")
        with gr.Row(elem_classes="line"):
            place: dict[str, Any] = {"placeholder": SOURCE, "scale": 0, "min_width": 220, "elem_id": "playground-set"}
            self.source = gr.Textbox(label=text("playground.source"), **place)
            self.save = gr.Button(text("playground.save"), scale=0, elem_id="playground-save")
        self.kept = html("playground-kept")

    def _wire(self, look: Look) -> None:
        limits = {self.length, self.temperature, self.seed, self.rollouts}
        asked = {self.prompt, self.system, self.turns, self.policies, self.rewards} | limits
        shown = [self.number, self.drawn, self.status, self.answers, self.keeping, self.chosen]
        offered = [self.offered, self.addressed, self.policies, self.rewards, self.project]
        seen = [self.address, self.number, self.drawn, self.offered, self.addressed]
        on_address("playground", look, self.refresh, seen, [*shown, *offered])
        self.policies.input(None, self.policies, self.addressed, js=ADDRESS_OF_POLICIES, **QUIET)
        gr.on([self.ask.click, self.prompt.submit], self.ask_question, asked, [*shown, self.kept], **QUIET)
        self.stop.click(self.stop_answers, self.number, None, **QUIET)
        turns = [self.turns, self.chat, self.prompt, self.kept]
        self.go_on.click(self.continue_chat, [self.number, self.chosen], turns, **QUIET)
        self.clear.click(self.start_over, None, [*turns, *shown], **QUIET)
        self.pair.click(self.queue_pair, [self.number, self.chosen, self.project], self.kept, **QUIET)
        self.save.click(self.save_prompt, [self.prompt, self.system, self.turns, self.source], self.kept, **QUIET)

    def refresh(self, address: str, number: str, drawn: str, offered: str, addressed: str) -> Updates:
        """Draw the answers as far as they are written, and offer models that are new. Show which list is damaged."""
        updates = self._draw(number, drawn)
        try:
            updates |= self._offer(address, offered, addressed)
        except BadInput as problem:
            updates[self.status] = message_html(problem)
        return updates or unchanged()

    def ask_question(self, given: Mapping[Block, Any]) -> Updates:
        """Ask the chosen policies. A seed that is left empty is drawn anew for each question."""
        try:
            question = Question(
                turns=tuple(join_turns(given[self.turns], given[self.system], given[self.prompt])),
                policies=tuple(given[self.policies] or ()),
                rewards=tuple(given[self.rewards] or ()),
                max_new_tokens=int(given[self.length] or 0),
                temperature=float(given[self.temperature] or 0),
                seed=read_seed(given[self.seed]),
                rollouts=given[self.rollouts] or "",
            )
        except BadInput as problem:
            return {self.status: message_html(problem)}
        number = str(self.playground.ask(question))
        return {self.number: number, self.status: "", self.kept: "", **self._draw(number, "")}

    def stop_answers(self, number: str) -> None:
        """Stop the answers that are being written."""
        self.playground.stop(read_number(number))

    def continue_chat(self, number: str, chosen: Sequence[str] | None) -> Updates:
        """Take one answer over as the assistant's turn; the next prompt continues the chat."""
        try:
            question, (reply,) = self._chosen(number, chosen, 1)
        except BadInput as problem:
            return {self.kept: message_html(problem)}
        answer = split_thoughts(reply.text)[1].strip()
        turns = [*question.turns, {"role": "assistant", "content": answer}]
        return {self.turns: json.dumps(turns), self.chat: draw_chat(turns), self.prompt: "", self.kept: ""}

    def start_over(self) -> Updates:
        """Forget the chat and its answers."""
        cleared: Updates = dict.fromkeys((self.turns, self.chat, self.prompt, self.kept, self.status), "")
        hidden_row = gr.Row(visible=False)
        return {**cleared, self.number: "", **self._draw("", ""), self.keeping: hidden_row}

    def queue_pair(self, number: str, chosen: Sequence[str] | None, project: str | None) -> str:
        """Queue two answers as a blind pair."""
        try:
            question, replies = self._chosen(number, chosen, PAIR)
            project_id = self.store.projects.by_name(project).id if project else STANDARD
            pair = send_pair(self.store, question, replies, project_id, current_account().name)
        except BadInput as problem:
            return message_html(problem)
        return message_html(text("playground.paired", pair=pair.id))

    def save_prompt(self, prompt: str, system: str | None, turns: str, source: str) -> str:
        """Save the chat up to the typed prompt in a set of prompts."""
        try:
            typed = join_turns(turns, system, prompt)
            if not prompt.strip():
                raise Refusal("train.playground.no_prompt")
            saved = save_prompt(self.store, typed, source)
        except BadInput as problem:
            return message_html(problem)
        return message_html(text("playground.saved", source=saved.source, split=saved.split))

    def _chosen(self, number: str, chosen: Sequence[str] | None, count: int) -> tuple[Question, list[Reply]]:
        """Return the question and the chosen replies. Raises Refusal unless there are `count` of them."""
        question = self.playground.question(read_number(number))
        replies = [reply for reply in self.playground.replies(read_number(number)) if reply.policy in (chosen or ())]
        if question is None or len(replies) != count:
            raise Refusal("train.playground.wrong_count", chosen=len(replies), count=count)
        return question, replies

    def _draw(self, number: str, drawn: str) -> Updates:
        if not number:
            return {} if drawn else {self.drawn: "-", self.answers: draw_replies(None, (), {})}
        replies = self.playground.replies(read_number(number))
        mark = str(hash((number, tuple((reply.state, reply.text) for reply in replies))))
        if mark == drawn:
            return {}
        names = {policy.public: policy.name for policy in self.store.policies.all()}
        with suppress(BadInput):  # the replies say so
            names |= {name: endpoint.model for name, endpoint in read_endpoints(self.store.home).items()}
        updates: Updates = {
            self.drawn: mark,
            self.answers: draw_replies(self.playground.question(read_number(number)), replies, names),
        }
        if any(reply.active for reply in replies):
            return {**updates, self.keeping: gr.Row(visible=False)}
        done = [reply.policy for reply in replies if reply.state == "done"]
        return {
            **updates,
            self.keeping: gr.Row(visible=bool(done)),
            self.chosen: gr.CheckboxGroup(choices=done, value=done[:PAIR]),
        }

    def _offer(self, address: str, offered: str, addressed: str) -> Updates:
        """Return lists to choose from if they changed, and the policies that the address names if it changed.

        The first time, the usual models are chosen, unless the address names policies.
        """
        if (mark := mark_models(self.store)) == offered and address == addressed:
            return {}
        choices = offer_models(self.store)
        updates: Updates = {self.offered: mark, self.addressed: address}
        policies: dict[str, Any] = {} if offered else {"value": choices.usual_policies}
        if address and (address != addressed or not offered):
            named, missing = read_address(address, choices)
            policies = {"value": named}
            updates[self.status] = message_html(unknown("playground", missing[0])) if missing else ""
        rewards: dict[str, Any] = {} if offered else {"value": choices.usual_rewards}
        project: dict[str, Any] = {} if offered else {"value": next(iter(choices.projects), None)}
        return {
            **updates,
            self.policies: gr.Dropdown(choices=choices.policies, **policies),
            self.rewards: gr.Dropdown(choices=choices.rewards, **rewards),
            self.project: gr.Dropdown(choices=choices.projects, **project),
        }
