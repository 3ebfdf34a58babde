# SPDX-License-Identifier: Apache-2.0
"""The labeler's page: one item on one screen, operated by keyboard.

Gradio mounts the page and its empty frame. The server renders the regions (`actions.py`), and the scripts in `web/` put
them in place. Actions are plain POST routes: one request and one commit from the key press to the next item.
"""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr

from data.store import Store
from labeling.http.color_scheme import SCRIPT as COLOR_SCHEME
from labeling.texts.translate import TEXTS, say
from labeling.texts.user_text import FONTS
from labeling.texts.user_text import STYLE as USER_TEXT

WEB = Path(__file__).parent / "web"
SCRIPTS = ("loop", "keys", "time", "form", "ranking")
THEME = gr.themes.Base(
    primary_hue="blue", neutral_hue="stone", radius_size="sm", font=FONTS, font_mono=["ui-monospace", "monospace"]
)
SCRIPT_TEXTS = (
    "place",
    "tied",
    "held_over",
    "gap_verdict",
    "gap_aspect",
    "gap_rationale",
    "edit_first",
    "unchanged",
    "draft_kept",
    "draft_waits",
    "other_tab",
    "kept_here",
    "kept_on",
    "sending",
    "server_gone",
    "server_silent",
    "server_back",
    "server_failed",
    "server_fault",
    "not_yet",
    "try_again",
)
"""Keys of the texts that the scripts show without a request."""
FRAME = (
    "<div id=desk><header id=header></header><div id=screen></div><div id=form></div>"
    "<div id=line><p id=status role=status aria-live=polite></p><button type=button id=try_again class=first "
    "data-act=retry data-key=enter aria-keyshortcuts=Enter hidden><kbd aria-hidden=true>⏎</kbd><span></span></button>"
    "<span id=hold></span></div>"
    "<div id=controls></div><div id=panels></div></div>"
)


def head() -> str:
    """Return style, texts and scripts. The style is here because Gradio prefixes every selector of `css=`."""
    style = USER_TEXT + "".join(
        (WEB / f"{name}.css").read_text(encoding="utf-8") for name in ("page", "turns", "parts")
    )
    texts = {language: {key: catalogue[key] for key in SCRIPT_TEXTS} for language, catalogue in TEXTS.items()}
    scripts = "".join((WEB / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    # Prefetching a host name in an answer would tell that host that somebody reads the answer.
    no_prefetch = '<meta http-equiv="x-dns-prefetch-control" content="off">'
    script = f"{COLOR_SCHEME}const LOOP_TEXTS = {json.dumps(texts)};\n{scripts}"
    return f"{no_prefetch}<style>{style}</style><script>{script}</script>"


HEAD = head()


def build(store: Store) -> gr.Blocks:
    """Return the page of /label. Mount it with THEME and HEAD, beside the routes of `actions`."""
    with gr.Blocks(title=say("en", "app"), fill_width=True, analytics_enabled=False) as page:
        gr.HTML(FRAME, elem_id="page", apply_default_css=False, padding=False)
    return page
