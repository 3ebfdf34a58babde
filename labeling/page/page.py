"""The labeler's page: one screen, one task, hands on the keyboard.

The framework mounts it and carries the frame; its regions are written by the server (`turns.py`) and put in place by the scripts
in `web/`. Acts go by plain POST routes: one request and one commit from the key to the next pair (docs/benchmarks.md, `label_page`).
"""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr

from data.store import Store
from labeling.texts.translate import TEXTS, say

WEB = Path(__file__).parent / "web"
SCRIPTS = ("loop", "keys", "time", "form", "ranking")
FONT = ["system-ui", "Noto Sans KR", "Noto Sans CJK KR", "sans-serif"]
THEME = gr.themes.Base(
    primary_hue="blue", neutral_hue="stone", radius_size="sm", font=FONT, font_mono=["ui-monospace", "monospace"]
)
IN_PAGE = (
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
    "server_gone",
    "server_back",
    "server_failed",
    "server_fault",
    "not_yet",
    "try_again",
)
"""What the page says by itself, without asking the server."""
FRAME = (
    "<div id=desk><header id=header></header><div id=screen></div><div id=form></div>"
    "<div id=line><p id=status role=status aria-live=polite></p><button type=button id=try_again class=first data-act=retry data-key=enter "
    "aria-keyshortcuts=Enter hidden><kbd aria-hidden=true>⏎</kbd><span></span></button><span id=hold></span></div>"
    "<div id=controls></div><div id=panels></div></div>"
)


def head() -> str:
    """Style, texts and scripts. The style stands here since the framework would put its own container before every selector of `css=`."""
    style = "".join((WEB / f"{name}.css").read_text(encoding="utf-8") for name in ("page", "parts"))
    said = {language: {key: texts[key] for key in IN_PAGE} for language, texts in TEXTS.items()}
    scripts = "".join((WEB / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    # Prefetching a host name that an answer mentions would already tell somebody that it is being read.
    quiet = '<meta http-equiv="x-dns-prefetch-control" content="off">'
    return f"{quiet}<style>{style}</style><script>const LOOP_TEXTS = {json.dumps(said)};\n{scripts}</script>"


HEAD = head()


def build(store: Store) -> gr.Blocks:
    """The page of /label. Mount it with THEME and HEAD, beside the routes of `turns`."""
    with gr.Blocks(title=say("en", "app"), fill_width=True, analytics_enabled=False) as page:
        gr.HTML(FRAME, elem_id="page", apply_default_css=False, padding=False)
    return page
