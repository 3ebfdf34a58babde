"""The labeler's page: one screen, one task, hands on the keyboard.

Handlers look the account up again, act through `Session` and render; none keeps state. The assignment on the screen
travels with the page, so a click after a restart of the server answers what was seen. `queue=False` everywhere: an answer
is shown in some 25 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from data.errors import BadInput, Refused
from data.store import Store
from data.verdicts import VERDICTS
from labeling import screen
from labeling.session import Answer, Session
from labeling.texts import TEXTS, language_of, say, told

HERE = Path(__file__).parent
# The style stands in the head since the framework would put its own container before every selector of `css=`.
HEAD = "<style>{}</style><script>{}</script>".format(*((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")))
FONT = ["system-ui", "Noto Sans KR", "Noto Sans CJK KR", "sans-serif"]
THEME = gr.themes.Base(primary_hue="blue", neutral_hue="stone", radius_size="sm", font=FONT, font_mono=["ui-monospace", "monospace"])
I18N = gr.I18n(**TEXTS)
QUIET = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def build(store: Store) -> gr.Blocks:
    """The page of /label. Mount it with THEME, HEAD and I18N."""
    with gr.Blocks(title=say("en", "app"), fill_width=True, analytics_enabled=False) as page, gr.Column(elem_id="page"):
        made = Page(store)
        page.load(made.open, None, [*made.shown, made.help], **QUIET)
    return page


class Page:
    """The components, and the handlers that fill them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.header = part("header")
        self.screen = part("screen")
        self.status = part("status")
        with gr.Row(elem_id="verdicts"):
            verdicts = {verdict: button(verdict) for verdict in VERDICTS if verdict != "both_bad"}
        with gr.Row(elem_id="reasons"):
            reasons = {reason: button(f"skip_{reason}") for reason in screen.REASONS}
            button("skip_cancel")
        with gr.Row(elem_id="others"):
            verdicts["both_bad"] = button("both_bad")
            button("skip")
            undo, again = button("undo"), button("look_again")
            button("help")
            self.held = part("held")
        self.help = part("help-panel")
        self.assignment, self.id, self.choice = (gr.Textbox(visible="hidden", elem_id=name) for name in ("assignment", "answer", "choice"))
        self.shown = [self.assignment, self.screen, self.held, self.header, self.status]
        for verdict, each in verdicts.items():
            self.wire(each, self.answer, f"loop.answer(assignment, '{verdict}')")
        for reason, each in reasons.items():
            self.wire(each, self.skip, f"loop.skip(assignment, '{reason}')")
        self.wire(undo, self.undo, "loop.plain(assignment)")
        self.wire(again, self.look, "loop.plain(assignment)")

    def wire(self, pressed: gr.Button, handler: Callable, prepare: str) -> None:
        """One press: the page says which assignment, answer id and choice it means; afterwards the keys are free again."""
        event = pressed.click(handler, [self.assignment, self.id, self.choice], self.shown, js=f"(assignment) => {prepare}", **QUIET)
        event.success(None, None, None, js="() => loop.ready(true)", **QUIET)
        event.failure(None, None, None, js="() => loop.ready(false)", **QUIET)

    def open(self, request: gr.Request) -> list:
        """What a fresh page shows."""
        return [*self.act(request, lambda session, language: ""), screen.help_panel(language(request))]

    def look(self, assignment: str, answer: str, choice: str, request: gr.Request) -> list:
        """Look whether a pair has come."""
        return self.act(request, lambda session, language: "")

    def answer(self, assignment: str, answer: str, choice: str, request: gr.Request) -> list:
        """Record the verdict `choice` on the item that was on the screen."""

        def deed(session: Session, language: str) -> str:
            receipt = session.submit(Answer(answer, assignment, choice))
            key = "recorded_late" if receipt.late else "recorded"
            return f"{say(language, key, verdict=say(language, choice))} {say(language, 'recorded_hint')}"

        return self.act(request, deed)

    def skip(self, assignment: str, answer: str, choice: str, request: gr.Request) -> list:
        """Let the item go, for the reason `choice`."""

        def deed(session: Session, language: str) -> str:
            session.skip(assignment, choice)
            return say(language, "skipped")

        return self.act(request, deed)

    def undo(self, assignment: str, answer: str, choice: str, request: gr.Request) -> list:
        """Take the last answer back and show its item."""

        def deed(session: Session, language: str) -> str:
            session.undo()
            return say(language, "undone")

        return self.act(request, deed)

    def act(self, request: gr.Request, deed: Callable[[Session, str], str]) -> list:
        """Do `deed` and show what follows; where that cannot be (closed account, full disk) the screen stays and a line says why."""
        tongue = language(request)
        try:
            return self.proceed(Session(self.store, request.username or ""), tongue, deed)
        except BadInput as problem:
            return [gr.skip()] * 4 + [screen.status(told(problem, tongue), bad=True)]

    def proceed(self, session: Session, tongue: str, deed: Callable[[Session, str], str]) -> list:
        """What follows `deed`; a refusal is a line on the page."""
        try:
            line = screen.status(deed(session, tongue))
        except Refused as refused:
            line = screen.status(told(refused, tongue), bad=True)
        return [*self.next(session, tongue), screen.header(tongue, session.labeler, session.progress()), line]

    def next(self, session: Session, tongue: str) -> tuple[str, str, str]:
        """Assignment, screen and hold of the open or next item; without one, why there is none."""
        item = session.next()
        if item is None:
            return "", screen.empty(tongue, session.why_empty()), ""
        return item.assignment, screen.pair(tongue, item), screen.held(tongue, item)


def part(name: str) -> gr.HTML:
    """A place for finished HTML."""
    return gr.HTML(elem_id=name, apply_default_css=False, padding=False)


def button(name: str) -> gr.Button:
    """A button whose id is the key of its text."""
    return gr.Button(I18N(name), elem_id=name)


def language(request: gr.Request) -> str:
    """The language of the reader's browser."""
    return language_of(request.headers.get("accept-language", ""))
