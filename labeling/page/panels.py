# SPDX-License-Identifier: Apache-2.0
"""Panels of the labeler's page: guideline, latest verdicts, keyboard shortcuts, reasons for skips and flags."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from labeling.page.controls import FLAG_REASONS, SKIP_REASONS, button, verdict_keys
from labeling.page.formatted import format_text
from labeling.page.item_view import ItemView
from labeling.page.turns import MOST_TURNS
from labeling.session import PastAnswer
from labeling.texts.translate import say
from labeling.texts.user_text import marks

FIRST_WORDS = 70


def panels(language: str, item: ItemView | None) -> str:
    """Return all panels, closed; the page loads guideline and history when they open."""
    parts = [
        _panel(language, "help", help_panel(language, item)),
        _panel(language, "history", "<div id=history-list></div>", asks=True),
    ]
    if item:
        title = say(language, "guide_title", version=item.guideline_version)
        parts += [
            _panel(language, "guide", f"<h2>{title}</h2><div id=guide-text class=rich dir=auto></div>", asks=True),
            _reasons(language, "reasons", "skip", SKIP_REASONS),
            _reasons(language, "flags", "flag", FLAG_REASONS),
        ]
    return "".join(parts)


def _panel(language: str, name: str, inner: str, *, asks: bool = False) -> str:
    close = button(language, "close", "close", key="esc", id=f"close_{name}")
    loads = "data-asks=1" if asks else ""
    return (
        f"<div class=panel data-name={name} {loads} role=dialog "
        f'aria-label="{_title(language, name)}" tabindex=-1 hidden>'
        f"{inner}{close}</div>"
    )


def _title(language: str, name: str) -> str:
    return say(language, {"reasons": "skip_title", "flags": "flag_title"}.get(name, name))


def _reasons(language: str, name: str, act: str, reasons: Sequence[str]) -> str:
    buttons = "".join(
        button(language, f"{act}_{reason}", act, reason, key=str(number))
        for number, reason in enumerate(reasons, start=1)
    )
    words = say(language, "other_words")
    free_text = (
        f'<span class=own><input type=text dir=auto maxlength=500 aria-label="{words}" placeholder="{words}…">'
        f"{button(language, 'send', 'words', act, id=f'{act}_words')}</span>"
    )
    return _panel(language, name, f"<h2>{_title(language, name)}</h2><div class=choices>{buttons}{free_text}</div>")


def guideline(language: str, text: str) -> str:
    """Return the guideline as HTML; its links work, because a researcher wrote them."""
    html = format_text(text, links=True)
    return f"<p class=note>{say(language, 'shown_plain')}</p><pre>{escape(text)}</pre>" if html is None else html


def history(language: str, answers: Sequence[PastAnswer]) -> str:
    """Return the labeler's latest verdicts; each one opens its item."""
    if not answers:
        return f"<h2>{say(language, 'history_title')}</h2><p>{say(language, 'history_empty')}</p>"
    rows = "".join(
        f'<li><button type=button id="past_{past.item.assignment}" data-act=past data-value="{past.item.assignment}">'
        f"<span {marks(past.item.prompt)}>{escape(first_words(past.item.prompt))}</span>"
        f"<b>{verdict(language, past)}</b>"
        f"<time>{local_time(past.created_at)}</time></button></li>"
        for past in answers
    )
    return f"<h2>{say(language, 'history_title')}</h2><ol class=past>{rows}</ol>"


def verdict(language: str, past: PastAnswer) -> str:
    """Return the verdict in words; a ranking as letters, best first."""
    if past.verdict != "ranked":
        return say(language, past.verdict)
    places = sorted(set(past.places))
    return " › ".join(
        "=".join("ABCDEFGHI"[number] for number, answer_place in enumerate(past.places) if answer_place == place)
        for place in places
    )


def past_bar(language: str, past: PastAnswer) -> str:
    """Return the bar above a past item: the verdict, and buttons to move on."""
    key = "past_title_order" if past.verdict == "ranked" else "past_title"
    title = say(language, key, when=local_time(past.created_at), verdict=verdict(language, past))
    ways = "".join(
        button(language, name, name, key=key) for name, key in (("older", "left"), ("newer", "right"), ("back", "esc"))
    )
    return f"<div id=past><span>{title}</span>{ways}</div>"


def local_time(moment: str) -> str:
    """Return the local time of day, with the date if it was another day."""
    then = datetime.fromisoformat(moment).astimezone()
    return f"{then:%H:%M}" if then.date() == datetime.now().astimezone().date() else f"{then:%Y-%m-%d %H:%M}"


def first_words(text: str) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= FIRST_WORDS else line[: FIRST_WORDS - 1] + "…"


def help_panel(language: str, item: ItemView | None) -> str:
    """Return how to judge, and the keys of this item."""
    lines = "".join(f"<p>{say(language, name)}</p>" for name in ("help_judge", "help_slightly", "help_same"))
    keys = "".join(f"<div><kbd>{key}</kbd>{text}</div>" for key, text in bindings(language, item))
    return f"{lines}<h2>{say(language, 'help_title')}</h2><div class=keys>{keys}</div>"


def bindings(language: str, item: ItemView | None) -> Sequence[tuple[str, str]]:
    """Return (key, action) in the reader's language."""
    general = [("h ←", say(language, "history")), ("u", say(language, "undo")), ("esc", say(language, "key_esc"))]
    if item is None:
        return general
    asked, pair = item.project.form, item.kind == "pair"
    if pair:
        first = [(key, say(language, name)) for name, key in verdict_keys(asked).items()]
    else:
        first = [
            ("j k", say(language, "key_j")),
            ("⇧j ⇧k", say(language, "key_shift")),
            ("1-9", say(language, "key_digit")),
        ]
        first += [("t", say(language, "key_t"))] if asked.tie else []
        first += [("⏎", say(language, "send_order")), *([("0", say(language, "all_bad"))] if asked.both_bad else [])]
    optional = [
        ("s", "skip", asked.skip),
        ("f", "flag", asked.flag),
        ("r", "reason", asked.rationale != "off"),
        ("a", "aspects", asked.aspects and pair),
        ("e", "edit", asked.edit and pair),
        ("d", "differences", pair),
        ("m", "view_formatted", True),
        ("c", "key_c", len(item.turns) > MOST_TURNS),
        ("g", "guide", True),
    ]
    return [
        *first,
        *((key, say(language, name)) for key, name, asks in optional if asks),
        ("ctrl ⏎", say(language, "key_send")),
        *general,
    ]
