"""What a labeler can press: each button says its key, what it does and with which value; the page itself knows no key by heart."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from data.records import Account
from data.tables.forms import Form
from labeling.page.item_view import Sight
from labeling.session import Progress
from labeling.texts.translate import TEXTS, say

SKIP_REASONS = ("unclear", "knowledge", "language", "upsetting", "broken")
FLAG_REASONS = ("harmful", "personal", "broken", "copied")


def button(language: str, name: str, act: str, value: str = "", *, key: str = "", id: str = "", more: str = "") -> str:
    """A button with the text `name`. `key`: the key that presses it, shown on it; 'enter', 'left' and 'right' are keys by name."""
    shown = {"enter": "⏎", "left": "←", "right": "→", "esc": "esc"}.get(key, key)
    hint = f"<kbd aria-hidden=true>{shown}</kbd>" if key else ""
    pressed = f'data-key="{key}" aria-keyshortcuts="{shortcut(key)}"' if key else ""
    return (
        f'<button type=button id="{id or name}" data-act="{act}" data-value="{escape(value)}" {pressed} {more}>'
        f"{hint}<span>{say(language, name)}</span></button>"
    )


def _pressed(is_pressed: bool) -> str:
    return f"aria-pressed={str(is_pressed).lower()}"


def shortcut(key: str) -> str:
    """The key as ARIA writes it."""
    return {"enter": "Enter", "left": "ArrowLeft", "right": "ArrowRight", "esc": "Escape"}.get(key, key)


def header(language: str, account: Account, progress: Progress, sight: Sight | None) -> str:
    """The app, the project, one's own progress; guide, language, the other pages, one's name, the way out."""
    train = f'<a href="../train/">{say(language, "train")}</a>' if account.role == "researcher" else ""
    project = f"<span class=project>{escape(sight.project.name)}</span>" if sight else ""
    done = say(language, "progress", today=progress.today, total=progress.total)
    guide = button(language, "guide", "panel", "guide", key="g") if sight else ""
    return (
        f"<strong>{say(language, 'app')}</strong>{project}<span id=progress>{done}</span><span class=who>{guide}{_languages(language)}"
        f"{train}<a href=rate>{say(language, 'rate')}</a><a href=write>{say(language, 'write')}</a><a href=you>{say(language, 'my_data')}</a>"
        f"<span class=name>{escape(account.name)}</span>"
        f"<form method=post action=../logout><button id=sign_out>{say(language, 'sign_out')}</button></form></span>"
    )


def _languages(language: str) -> str:
    each = "".join(
        f"<button type=button id=to_{code} data-act=language data-value={code} lang={code} {_pressed(code == language)}>{say(code, 'language_sign')}</button>"
        for code in TEXTS
    )
    return f'<span class=languages role=group aria-label="{say(language, "language")}">{each}</span>'


def after_all(language: str) -> str:
    """What is left to press where there is nothing to judge."""
    return f"<div id=others>{''.join(_always(language, is_open=True))}</div>"


def controls(language: str, sight: Sight, view: str) -> str:
    """The verdicts under the hand, below them everything else."""
    return _verdicts(language, sight) + f"<div id=others>{''.join(_others(language, sight, view))}</div>"


def keyed(form: Form) -> dict[str, str]:
    """The key of each verdict: digits from 1 on in the order of the screen, 0 for both bad."""
    shown = [verdict for verdict in form.verdicts if verdict != "both_bad"]
    return {verdict: str(number) for number, verdict in enumerate(shown, start=1)} | (
        {"both_bad": "0"} if form.both_bad else {}
    )


def _verdicts(language: str, sight: Sight) -> str:
    if sight.kind == "ranking":
        made = [button(language, "send_order", "rank", "ranked", key="enter", more="class=first")]
    else:
        said = sight.past.verdict if sight.past else ""
        made = [
            button(language, verdict, "say", verdict, key=key, more=_pressed(verdict == said))
            for verdict, key in keyed(sight.project.form).items()
            if verdict != "both_bad"
        ]
    count = f"style='--count:{len(made)}'"
    return f'<div id=verdicts class={sight.kind} role=group aria-label="{say(language, "verdict")}" {count}>{"".join(made)}</div>'


def _others(language: str, sight: Sight, view: str) -> Sequence[str]:
    form, is_open = sight.project.form, sight.past is None
    made = []
    if form.both_bad:
        act = ("all_bad", "rank", "all_bad") if sight.kind == "ranking" else ("both_bad", "say", "both_bad")
        made.append(button(language, *act, key="0", more=_pressed(not is_open and sight.past.verdict == act[0])))
    if is_open and form.skip:
        made.append(button(language, "skip", "panel", "reasons", key="s"))
    if is_open and form.flag:
        made.append(button(language, "flag", "panel", "flags", key="f"))
    if form.edit and sight.kind == "pair":
        made.append(button(language, "edit", "edit", key="e", id="edit_button"))
    if form.rationale != "off":
        made.append(button(language, "reason", "reason", key="r"))
    if form.aspects and sight.kind == "pair":
        made.append(button(language, "aspects", "aspects", key="a"))
    made += _views(language, sight, view)
    return [*made, *_always(language, is_open=is_open)]


def _always(language: str, *, is_open: bool) -> Sequence[str]:
    undo = [button(language, "undo", "undo", key="u")] if is_open else []
    return [
        *undo,
        button(language, "history", "panel", "history", key="h"),
        button(language, "help", "panel", "help", key="?"),
    ]


def _views(language: str, sight: Sight, view: str) -> Sequence[str]:
    other = "text" if view == "formatted" else "formatted"
    made = [button(language, f"view_{other}", "view", other, key="m", id="view")]
    if sight.kind == "pair":
        made.insert(0, button(language, "differences", "differences", key="d", more=_pressed(view == "differences")))
    return made


def held(language: str, sight: Sight) -> str:
    """Where the page counts down for how long the item is held."""
    if sight.left is None:
        return ""
    return f'<span id=held data-held="{say(language, "held", t="{t}")}" data-over="{say(language, "held_over_short")}"></span>'


def form(language: str, sight: Sight) -> str:
    """What can be said beside the verdict; only what the project asks for."""
    asked, draft, pair = sight.project.form, sight.draft, sight.kind == "pair"
    parts = []
    if asked.aspects and pair:
        given = draft.get("aspects") or {}
        parts.append(
            f"<div id=aspect-list>{''.join(_aspect(language, name, given.get(name)) for name in asked.aspects)}</div>"
        )
    if asked.edit and pair:
        parts.append(
            f"<div id=editor hidden><label for=edit>{say(language, 'edit_label')}</label>"
            f'<textarea id=edit rows=6 data-side="{escape(draft.get("edited") or "")}">\n{escape(draft.get("edit") or "")}</textarea></div>'
        )
    row = []
    if asked.rationale != "off":
        required = asked.rationale == "required"
        name = say(language, "rationale_required" if required else "rationale")
        row.append(
            f'<textarea id=rationale rows=1 maxlength=2000 aria-label="{name}" placeholder="{name}" {"required" if required else ""}>\n'
            f"{escape(draft.get('rationale') or '')}</textarea>"
        )
    if row or parts or sight.past:
        send = button(language, "send", "send", key="enter", more="class=first hidden") if pair else ""
        parts.append(f"<div class=row>{''.join(row)}<span id=kept></span>{send}</div>")
    return "".join(parts)


def _aspect(language: str, name: str, chosen: str | None) -> str:
    boxes = "".join(
        f'<label><input type=radio name="{escape(name)}" value={choice} {"checked" if choice == chosen else ""}>'
        f"<kbd aria-hidden=true>{number}</kbd>{say(language, f'aspect_{choice}')}</label>"
        for number, choice in enumerate(("left", "tie", "right"), start=1)
    )
    return f'<fieldset data-aspect="{escape(name)}"><legend>{escape(name)}</legend>{boxes}</fieldset>'
