# SPDX-License-Identifier: Apache-2.0
"""Model texts as safe HTML: Markdown, and LaTeX as MathML, without scripts, requests, overlays or ids.

Raw HTML in Markdown is disabled, so a tag in an answer appears as text. Pictures become their description and links
show their address, so that no other host learns that somebody reads the answer. The LaTeX converter passes on
attributes and does not escape texts, so each formula is sanitized separately, and the whole text again with the same
list of elements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

import nh3
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from labeling.page.budget import LONGEST_HTML, STEPS, Budget, TooComplex

LONGEST = 30_000
"""Characters up to which a text is formatted; a longer text stays plain."""
MOST_CELLS = 5_000
"""Cells that the columns of one table may add to short rows."""
TABLE_LINE = re.compile(r"^[ \t>]*[|:-][|:\- \t]*$", re.MULTILINE)
FORMULA_STEPS = 4
"""Steps of the budget per character of a formula."""
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


def markdown(text: str, links: bool = False, steps: int = STEPS) -> str:
    """Return `text` as safe HTML. `links`: web addresses are links (guidelines), else they appear as text (answers).

    Raises TooComplex if the text or the HTML exceeds its limit, or if the parser takes more than `steps` steps.
    """
    if len(text) > LONGEST or _most_cells(text) > MOST_CELLS:
        raise TooComplex
    formulas = sum(text.count(sign) for sign in ("$", "\\(", "\\["))
    budget = Budget(steps)
    html = _parser(bool(formulas) and formulas <= MOST_FORMULAS, links, budget).render(text, {"budget": budget})
    if len(html) > LONGEST_HTML:
        raise TooComplex
    return _sanitize(html, links=links)


def _most_cells(text: str) -> int:
    """Return an upper bound of the cells of a table: the most columns of a delimiter line times all lines."""
    columns = max((line.group().count("|") for line in TABLE_LINE.finditer(text)), default=0)
    return columns * (text.count("\n") + 1)


def formula(tex: str, *, block: bool) -> str:
    """Return LaTeX as MathML, or its source if the converter does not support it."""
    try:
        if len(tex) > LONGEST_FORMULA or tex.count("{") > MOST_FORMULAS:
            raise ValueError("too long")
        html = convert(tex, display="block" if block else "inline")
        if not set(re.findall(r"<[/!]?([^\s/>]*)", html)) <= MATH_TAGS:
            raise ValueError("a text in it would be read as HTML")
    except Exception:  # the converter raises IndexError, RecursionError and errors of its own
        return f"<span class=formula>{escape(tex)}</span>"
    return _sanitize(html)


def _parser(formulas: bool, links: bool, budget: Budget) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 30}).enable(["table", "strikethrough"])
    _count_steps(parser, budget)
    if formulas:
        parser.inline.ruler.before("escape", "bracket_math", _bracket_math)
        parser.use(dollarmath_plugin, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True)
        for name in FORMULAS:
            parser.add_render_rule(name, _formula_token)
    parser.add_render_rule("image", _picture)
    if not links:
        parser.add_render_rule("link_open", _nothing)
        parser.add_render_rule("link_close", _address)
    return parser


def _count_steps(parser: MarkdownIt, budget: Budget) -> None:
    """Spend a step per inline token, per skipped token of a link's label, and two per block token."""
    skip_token = parser.inline.skipToken

    def skip(state: StateInline) -> None:
        budget.spend()
        skip_token(state)

    def count_inline(state: StateInline, silent: bool) -> bool:
        budget.spend()
        return False

    def count_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        budget.spend(2 if silent else 8)
        return False

    parser.inline.skipToken = skip  # type: ignore[method-assign]
    parser.inline.ruler.before("text", "count", count_inline)
    parser.block.ruler.before("table", "count", count_block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.core.ruler.after("block", "count", lambda state: budget.spend(2 * len(state.tokens)))


def _bracket_math(state: StateInline, silent: bool) -> bool:
    r"""Parse \( ... \) as an inline formula and \[ ... \] as a display formula."""
    sign = state.src[state.pos : state.pos + 2]
    end = state.src.find(CLOSING[sign], state.pos + 2) if sign in CLOSING else -1
    if end < 0:
        return False
    if not silent:
        token = state.push("math_inline" if sign == "\\(" else "math_inline_double", "math", 0)
        token.content = state.src[state.pos + 2 : end]
    state.pos = end + 2
    return True


def _formula_token(
    _renderer: object, tokens: Sequence[Token], index: int, _options: object, env: Mapping[str, Budget]
) -> str:
    env["budget"].spend(FORMULA_STEPS * len(tokens[index].content))
    return formula(tokens[index].content.strip(), block=tokens[index].type != "math_inline")


def _picture(_renderer: object, tokens: Sequence[Token], index: int, _options: object, _env: object) -> str:
    return f'<span class="picture">{escape(tokens[index].content) or "…"}</span>'


def _nothing(_renderer: object, _tokens: Sequence[Token], _index: int, _options: object, _env: object) -> str:
    return ""


def _address(_renderer: object, tokens: Sequence[Token], index: int, _options: object, _env: object) -> str:
    """Return the address after a link's text, '' if the text is the address."""
    start = next(at for at in range(index, -1, -1) if tokens[at].type == "link_open")
    href = str(tokens[start].attrs.get("href", ""))
    text = "".join(token.content for token in tokens[start:index])
    return "" if text == href else f' <span class="address">({escape(href)})</span>'


def _sanitize(html: str, *, links: bool = False) -> str:
    tags, attributes = TEXT_TAGS | MATH_TAGS, dict(ATTRIBUTES)
    if links:
        tags, attributes = tags | {"a"}, attributes | {"a": {"href", "target"}}
    return nh3.clean(
        html,
        tags=tags,
        attributes=attributes,
        allowed_classes=CLASSES,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow" if links else None,
        set_tag_attribute_values={"a": {"target": "_blank"}} if links else None,
        clean_content_tags={"script", "style"},
    )
