# SPDX-License-Identifier: Apache-2.0
"""Layout of the plain pages: sign-in, rating, writing, personal data. They work without scripts.

Only the choice of colours needs one.
"""

from __future__ import annotations

from labeling.http.color_scheme import SCRIPT as COLOR_SCHEME
from labeling.http.color_scheme import color_scheme_switch
from labeling.texts.user_text import FONTS
from labeling.texts.user_text import STYLE as USER_TEXT

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c2024, #e8e8e4); --soft: light-dark(#5b6570, #a3abb3); }
:root { --paper: light-dark(#f7f7f5, #16181b); --card: light-dark(#fff, #1f2226); }
:root { --line: light-dark(#d9d9d3, #3a3f45); --accent: light-dark(#1f5fbf, #8ab4f8); }
:root { --on: light-dark(#fff, #10213a); --bad: light-dark(#a3242b, #ff9a9a); }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink); }
body { font: 16px/1.5 FONTS; }
main { width: min(24rem, 100vw - 2rem); padding: 2rem; background: var(--card); }
main { border: 1px solid var(--line); border-radius: 10px; }
@media (max-width: 30rem) { main { padding: 1.25rem 1rem; } }
h1 { margin: 0 0 .25rem; font-size: 1.25rem; } p { margin: 0 0 1.25rem; color: var(--soft); }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; }
small { color: var(--soft); } a { color: var(--accent); display: inline-block; min-height: 24px; }
input { width: 100%; padding: .6rem .7rem; font: inherit; color: inherit; background: var(--paper); }
input { border: 1px solid var(--line); border-radius: 6px; }
button { width: 100%; margin-top: 1.5rem; padding: .7rem; font: inherit; font-weight: 600; cursor: pointer; }
button { color: var(--on); background: var(--accent); border: 0; border-radius: 6px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
[role=alert] { color: var(--bad); font-weight: 600; }
color-scheme { display: block; margin-top: 1.5rem; text-align: right; } color-scheme[hidden] { display: none; }
color-scheme select { min-height: 1.75rem; font: inherit; font-size: .85rem; }
color-scheme select { color: var(--soft); background: var(--card); border: 1px solid var(--line); border-radius: 6px; }
""".replace("FONTS", ", ".join(f'"{name}"' if " " in name else name for name in FONTS))
READING = """
main { width: min(46rem, 100vw - 2rem); margin: 1rem 0; }
h2 { margin: 1rem 0 .25rem; font-size: .85rem; color: var(--soft); font-weight: 600; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; padding: .75rem 1rem; border: 1px solid var(--line); }
.scrolls { max-height: 40vh; overflow-y: auto; } #prompt .text { max-height: none; }
.thoughts { margin-bottom: .5rem; color: var(--soft); } .thoughts summary { cursor: pointer; }
.text { border-radius: 6px; max-height: 40vh; overflow-y: auto; background: var(--paper); }
.line { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; justify-content: space-between; }
.line { color: var(--soft); margin: .75rem 0; }
"""
"""Style of pages with long texts: a wider sheet, boxes that scroll, lines of small print."""


def render_page(language: str, title: str, body: str, *, style: str = "", script: str = "") -> str:
    """Return a whole page. `body`, `style` (CSS), `script` and `title` must already be safe HTML."""
    return (
        f"<!doctype html><html lang={language}><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{title}</title><link rel=icon href=data:,><style>{USER_TEXT}{STYLE}{style}</style>"
        f"<script>{COLOR_SCHEME}</script></head>"
        f"<body><main><h1>{title}</h1>{body}{color_scheme_switch(language)}</main>"
        f"{f'<script>{script}</script>' if script else ''}</body></html>"
    )
