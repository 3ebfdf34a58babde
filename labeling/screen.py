"""The labeler's screen as HTML, made from texts that are escaped here and nowhere else.

Everything goes to the page as a finished value. Templates of the page framework are not used for texts: after filling
in `{{value}}` it evaluates the result as a JavaScript template literal, so `${...}` in a model's answer would run.
"""

from __future__ import annotations

from datetime import datetime
from html import escape

from data.migrations import STANDARD_PROJECT
from data.records import Account
from labeling.queue import LEASE_SECONDS
from labeling.session import Empty, Item, Progress
from labeling.texts import TEXTS, say

AWAY = {"gone": "server_gone", "lost": "answer_lost", "back": "server_back"}
"""What the page itself says when the server cannot."""
REASONS = ("unclear", "knowledge", "language", "upsetting", "broken")


def header(language: str, account: Account, progress: Progress) -> str:
    """Project, one's own progress, one's name, the way out."""
    train = f'<a href="../train/">{say(language, "train")}</a>' if account.role == "researcher" else ""
    lines = " ".join(f'data-{name}="{escape(say(language, key))}"' for name, key in AWAY.items())
    done = say(language, "progress", today=progress.today, total=progress.total)
    return (
        f"<header {lines}>"
        f"<strong>{say(language, 'app')}</strong><span class=project>{escape(STANDARD_PROJECT[1])}</span><span id=progress>{escape(done)}</span>"
        f"<span class=who>{train}<span>{escape(account.name)}</span>"
        f"<form method=post action=../logout><button>{say(language, 'sign_out')}</button></form></span></header>"
    )


def pair(language: str, item: Item) -> str:
    """The prompt above, both answers through one renderer below."""
    return (
        f'<section id=prompt aria-label="{say(language, "prompt")}" tabindex=0><h2>{say(language, "prompt")}</h2>'
        f"<div class=text>{escape(item.prompt)}</div></section>"
        f'<div id=answers role=group aria-label="{say(language, "answers")}">'
        f"{_answer('A', say(language, 'answer_a'), item.left)}{_answer('B', say(language, 'answer_b'), item.right)}</div>"
    )


def _answer(letter: str, name: str, text: str) -> str:
    return f'<section class=answer aria-label="{name}" tabindex=0><h2>{letter}</h2><div class=text>{escape(text)}</div></section>'


def held(language: str, item: Item) -> str:
    """For how long the pair is held; the page counts down by the texts it is given here."""
    texts = f'data-held="{escape(TEXTS[language]["held"])}" data-over="{escape(say(language, "held_over"))}"'
    until = datetime.fromisoformat(item.expires_at).timestamp()
    return f'<span data-until="{until:.0f}" {texts}>{say(language, "held", m=LEASE_SECONDS // 60)}</span>'


def empty(language: str, why: Empty) -> str:
    """Why there is nothing to compare, and what happens next."""
    reason = say(language, f"empty_{why.reason}", n=why.pairs, m=why.minutes)
    return f"<div id=empty><h2>{say(language, 'empty_title')}</h2><p>{reason}</p></div>"


def help_panel(language: str) -> str:
    """How to judge, and the keys."""
    keys = "".join(f"<div><kbd>{key}</kbd>{say(language, name)}</div>" for key, name in KEYS)
    lines = "".join(f"<p>{say(language, name)}</p>" for name in ("help_judge", "help_slightly", "help_same"))
    return (
        f'<div role=dialog aria-label="{say(language, "help")}" tabindex=-1>{lines}<h2>{say(language, "help_title")}</h2>'
        f"<div class=keys>{keys}</div></div>"
    )


KEYS = (
    ("1", "left_much"),
    ("2", "left"),
    ("3", "left_slightly"),
    ("4", "tie"),
    ("5", "right_slightly"),
    ("6", "right"),
    ("7", "right_much"),
    ("0", "both_bad"),
    ("s", "skip"),
    ("u", "undo"),
    ("?", "help"),
)


def status(message: str, *, bad: bool = False) -> str:
    """One line for eyes and screen readers."""
    return f'<span class="{"bad" if bad else "said"}">{escape(message)}</span>'
