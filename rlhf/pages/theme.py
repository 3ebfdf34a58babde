# SPDX-License-Identifier: Apache-2.0
"""The theme of the researcher's pages: one accent colour marks the next step; type and spacing give the order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from labeling.http.color_scheme import SCRIPT as COLOR_SCHEME
from labeling.texts.pages import text
from labeling.texts.reader import reader_language
from labeling.texts.user_text import FONTS, STYLE

HERE = Path(__file__).parent
TEXT, SOFT, LINK = ("#1c2024", "#e8e8e4"), ("#5b6570", "#a3abb3"), ("#1f5fbf", "#8ab4f8")
"""Colours in light and in dark. Each has a contrast of at least 4.5 to all of PAPER (WCAG 2.2, 1.4.3)."""
INK = {
    "body_text_color": TEXT,
    "body_text_color_subdued": SOFT,
    "block_label_text_color": SOFT,
    "block_title_text_color": SOFT,
    "block_info_text_color": SOFT,
    "input_placeholder_color": SOFT,
}
PAPER = {
    "body_background_fill": ("#f7f7f5", "#16181b"),
    "background_fill_primary": ("#ffffff", "#1f2226"),
    "background_fill_secondary": ("#f7f7f5", "#16181b"),
    "block_background_fill": ("#ffffff", "#1f2226"),
    "border_color_primary": ("#d9d9d3", "#3a3f45"),
    "input_background_fill": ("#ffffff", "#16181b"),
    "table_even_background_fill": ("#ffffff", "#1f2226"),
    "table_odd_background_fill": ("#f7f7f5", "#1a1d20"),
    "button_secondary_background_fill": ("#ebebe6", "#2b3036"),
}
ACCENT = {
    "button_primary_background_fill": ("#1f5fbf", "#8ab4f8"),
    "button_primary_background_fill_hover": ("#184e9e", "#a9c8fa"),
    "button_primary_text_color": ("#ffffff", "#10213a"),
    "color_accent": ("#1f5fbf", "#8ab4f8"),
    "link_text_color": LINK,
    "link_text_color_visited": LINK,
    "link_text_color_hover": LINK,
    "link_text_color_active": LINK,
}


SCRIPTS = ("train", "palette", "notices")
"""The scripts of all pages, in the order in which they run."""


def theme() -> gr.themes.Base:
    """Return the theme: one palette in light and dark, and system fonts only."""
    base = gr.themes.Base(
        primary_hue="blue", neutral_hue="stone", radius_size="sm", font=FONTS, font_mono=["ui-monospace", "monospace"]
    )
    values = {}
    for name, (light, dark) in {**INK, **PAPER, **ACCENT}.items():
        values[name] = light
        if name != "color_accent":
            values[f"{name}_dark"] = dark
    return base.set(**values, block_shadow="none", block_label_text_size="*text_sm")


def head(pages: Sequence[str]) -> str:
    """Return style sheet and script of all pages, for the reader's language.

    The script sets <html data-page>, the style shows that page.
    """
    shown = ", ".join(f"html[data-page={name}] #page-{name}" for name in pages)
    style = f"{STYLE}{(HERE / 'train.css').read_text()}{shown} {{ display: flex !important; }}"
    constants = {"LANGUAGE": reader_language(), "PAGES": list(pages), "SEARCH": text("table.search")}
    known = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in constants.items())
    script = COLOR_SCHEME + known + "".join((HERE / f"{name}.js").read_text() for name in SCRIPTS)
    return f"<link rel=icon href=data:,><style>{style}</style><script>{script}</script>"
