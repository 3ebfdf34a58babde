"""Model texts as formatted HTML: Markdown, and LaTeX as MathML, with nothing in it that acts, loads, covers or is found by its id.

Markdown is read without raw HTML, so a tag in an answer is shown as the text it is. Pictures become their description and links
show their address instead of being links: neither may tell another host that somebody reads. Each formula is cleaned on its own,
since the converter passes on attributes and does not escape texts, and the whole once more by the same list of elements.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import nh3
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

LONGEST = 30_000
"""Characters up to which a text is formatted; a longer one is shown as it is, so that no answer can keep the server busy."""
MOST_FORMULAS = 200
LONGEST_FORMULA = 1_500
FORMULAS = ("math_inline", "math_inline_double", "math_block")
CLOSING = {"\\(": "\\)", "\\[": "\\]"}
TEXT_TAGS = {
    "p",
    "br",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "em",
    "strong",
    "s",
    "code",
    "pre",
    "blockquote",
    "ul",
    "ol",
    "li",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "span",
}
MATH_TAGS = {
    "math",
    "mrow",
    "mi",
    "mn",
    "mo",
    "ms",
    "mtext",
    "mspace",
    "msup",
    "msub",
    "msubsup",
    "mover",
    "munder",
    "munderover",
    "mfrac",
    "msqrt",
    "mroot",
    "mtable",
    "mtr",
    "mtd",
    "mstyle",
    "mpadded",
    "mphantom",
    "menclose",
}
ATTRIBUTES = {
    "math": {"display"},
    "mi": {"mathvariant"},
    "mo": {"stretchy", "form", "fence"},
    "mtable": {"columnalign"},
    "mfrac": {"linethickness"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
}
CLASSES = {"span": {"address", "formula", "picture"}}


def markdown(text: str, *, links: bool = False) -> str:
    """`text` as safe HTML. `links`: web addresses are links (a researcher's guidelines), else they are shown as text (answers)."""
    if len(text) > LONGEST:
        return f"<pre>{escape(text)}</pre>"
    formulas = sum(text.count(sign) for sign in ("$", "\\(", "\\["))
    made = _reader(bool(formulas) and formulas <= MOST_FORMULAS, links).render(text)
    return _clean(made, links=links)


def formula(tex: str, *, block: bool) -> str:
    """LaTeX as MathML; its source where the converter does not know it."""
    try:
        if len(tex) > LONGEST_FORMULA or tex.count("{") > MOST_FORMULAS:
            raise ValueError("too long")
        made = convert(tex, display="block" if block else "inline")
        if not set(re.findall(r"<[/!]?([^\s/>]*)", made)) <= MATH_TAGS:
            raise ValueError("a text in it would be read as HTML")
    except Exception:  # the converter raises what its parser meets: IndexError, RecursionError and kinds of its own
        return f"<span class=formula>{escape(tex)}</span>"
    return _clean(made)


def _reader(formulas: bool, links: bool) -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": 30}).enable(["table", "strikethrough"])
    if formulas:
        reader.inline.ruler.before("escape", "bracket_math", _bracket_math)
        reader.use(dollarmath_plugin, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True)
        for name in FORMULAS:
            reader.add_render_rule(name, _formula_token)
    reader.add_render_rule("image", _picture)
    if not links:
        reader.add_render_rule("link_open", _nothing)
        reader.add_render_rule("link_close", _address)
    return reader


def _bracket_math(state: StateInline, silent: bool) -> bool:
    r"""A rule of the reader: \( ... \) is a formula in the line, \[ ... \] one on its own."""
    sign = state.src[state.pos : state.pos + 2]
    end = state.src.find(CLOSING[sign], state.pos + 2) if sign in CLOSING else -1
    if end < 0:
        return False
    if not silent:
        token = state.push("math_inline" if sign == "\\(" else "math_inline_double", "math", 0)
        token.content = state.src[state.pos + 2 : end]
    state.pos = end + 2
    return True


def _formula_token(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return formula(tokens[index].content.strip(), block=tokens[index].type != "math_inline")


def _picture(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return f'<span class="picture">{escape(tokens[index].content) or "…"}</span>'


def _nothing(_renderer: Any, _tokens: Sequence[Token], _index: int, _options: Any, _env: Any) -> str:
    return ""


def _address(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """After a link's text, its address; nothing after one that is its own text."""
    start = next(at for at in range(index, -1, -1) if tokens[at].type == "link_open")
    href = str(tokens[start].attrs.get("href", ""))
    said = "".join(token.content for token in tokens[start:index])
    return "" if said == href else f' <span class="address">({escape(href)})</span>'


def _clean(made: str, *, links: bool = False) -> str:
    tags, attributes = TEXT_TAGS | MATH_TAGS, dict(ATTRIBUTES)
    if links:
        tags, attributes = tags | {"a"}, attributes | {"a": {"href", "target"}}
    return nh3.clean(
        made,
        tags=tags,
        attributes=attributes,
        allowed_classes=CLASSES,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow" if links else None,
        set_tag_attribute_values={"a": {"target": "_blank"}} if links else None,
        clean_content_tags={"script", "style"},
    )
