"""What opens beside the task: the guideline, one's latest answers, the keys, the reasons for letting an item go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from labeling.page.controls import FLAG_REASONS, SKIP_REASONS, button, keyed
from labeling.page.item_view import Sight
from labeling.page.markdown import markdown
from labeling.session import Past
from labeling.texts.translate import say

FIRST_WORDS = 70


def panels(language: str, sight: Sight | None) -> str:
    """Every panel, closed; guideline and history are filled when they are opened."""
    parts = [
        _panel(language, "help", help_text(language, sight)),
        _panel(language, "history", "<div id=history-list></div>", asks=True),
    ]
    if sight:
        title = say(language, "guide_title", version=sight.guideline_version)
        parts += [
            _panel(language, "guide", f"<h2>{title}</h2><div id=guide-text class=rich></div>", asks=True),
            _reasons(language, "reasons", "skip", SKIP_REASONS),
            _reasons(language, "flags", "flag", FLAG_REASONS),
        ]
    return "".join(parts)


def _panel(language: str, name: str, inner: str, *, asks: bool = False) -> str:
    close = button(language, "close", "close", key="esc", id=f"close_{name}")
    return (
        f'<aside class=panel data-name={name} {"data-asks=1" if asks else ""} role=dialog aria-label="{_title(language, name)}" tabindex=-1 hidden>'
        f"{inner}{close}</aside>"
    )


def _title(language: str, name: str) -> str:
    return say(language, {"reasons": "skip_title", "flags": "flag_title"}.get(name, name))


def _reasons(language: str, name: str, act: str, reasons: Sequence[str]) -> str:
    each = "".join(
        button(language, f"{act}_{reason}", act, reason, key=str(number))
        for number, reason in enumerate(reasons, start=1)
    )
    words = say(language, "other_words")
    own = (
        f'<span class=own><input type=text maxlength=500 aria-label="{words}" placeholder="{words}…">'
        f"{button(language, 'send', 'words', act, id=f'{act}_words')}</span>"
    )
    return _panel(language, name, f"<h2>{_title(language, name)}</h2><div class=choices>{each}{own}</div>")


def guideline(text: str) -> str:
    """The guideline, formatted; its links are links, since a researcher wrote them."""
    return markdown(text, links=True)


def history(language: str, answers: Sequence[Past]) -> str:
    """One's latest answers; each leads back to its item."""
    if not answers:
        return f"<h2>{say(language, 'history_title')}</h2><p>{say(language, 'history_empty')}</p>"
    rows = "".join(
        f'<li><button type=button id="past_{each.item.assignment}" data-act=past data-value="{each.item.assignment}">'
        f"<span>{escape(short(each.item.prompt))}</span><b>{verdict(language, each)}</b><time>{clock(each.created_at)}</time></button></li>"
        for each in answers
    )
    return f"<h2>{say(language, 'history_title')}</h2><ol class=past>{rows}</ol>"


def verdict(language: str, past: Past) -> str:
    """What was said, in words; a ranking as letters, best first."""
    if past.verdict != "ranked":
        return say(language, past.verdict)
    places = sorted(set(past.places))
    return " › ".join(
        "=".join("ABCDEFGHI"[number] for number, place in enumerate(past.places) if place == each) for each in places
    )


def past_bar(language: str, past: Past) -> str:
    """Above an item of the past: what was said, and the ways on."""
    key = "past_title_order" if past.verdict == "ranked" else "past_title"
    title = say(language, key, when=clock(past.created_at), verdict=verdict(language, past))
    ways = "".join(
        button(language, name, name, key=key) for name, key in (("older", "left"), ("newer", "right"), ("back", "esc"))
    )
    return f"<div id=past><span>{title}</span>{ways}</div>"


def clock(moment: str) -> str:
    """The time of day on the server's clock, with the date where it was another day."""
    then = datetime.fromisoformat(moment).astimezone()
    return f"{then:%H:%M}" if then.date() == datetime.now().astimezone().date() else f"{then:%Y-%m-%d %H:%M}"


def short(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= FIRST_WORDS else line[: FIRST_WORDS - 1] + "…"


def help_text(language: str, sight: Sight | None) -> str:
    """How to judge, and the keys that this item has."""
    lines = "".join(f"<p>{say(language, name)}</p>" for name in ("help_judge", "help_slightly", "help_same"))
    keys = "".join(f"<div><kbd>{key}</kbd>{text}</div>" for key, text in bindings(language, sight))
    return f"{lines}<h2>{say(language, 'help_title')}</h2><div class=keys>{keys}</div>"


def bindings(language: str, sight: Sight | None) -> Sequence[tuple[str, str]]:
    """(key, what it does) in the reader's language."""
    general = [("h ←", say(language, "history")), ("u", say(language, "undo")), ("esc", say(language, "key_esc"))]
    if sight is None:
        return general
    asked, pair = sight.project.form, sight.kind == "pair"
    if pair:
        first = [(key, say(language, name)) for name, key in keyed(asked).items()]
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
        ("g", "guide", True),
    ]
    return [
        *first,
        *((key, say(language, name)) for key, name, asks in optional if asks),
        ("ctrl ⏎", say(language, "key_send")),
        *general,
    ]
