# SPDX-License-Identifier: Apache-2.0
"""Formatted texts: they look like what was written, and hold nothing that acts, loads, covers or takes another's id."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.page.budget import TooComplex
from labeling.page.formatted import format_differences, format_text
from labeling.page.markdown import LONGEST, markdown
from labeling.page.word_diff import mark_differences

HARMFUL = (
    "<script>window.ran=1</script>",
    '<img src="http://beacon.test/a.png" onerror="window.ran=1">',
    "![pixel](http://beacon.test/b.png)",
    "[go](javascript:window.ran=1)",
    '<a href="http://beacon.test/" ping="http://beacon.test/">x</a>',
    '<iframe src="http://beacon.test/"></iframe>',
    "<style>@import 'http://beacon.test/c.css'; #answers { display: none }</style>",
    '<svg onload="window.ran=1"><use href="http://beacon.test/#x"></use></svg>',
    '<form action="http://beacon.test/"><input name=password></form>',
    '<video src="http://beacon.test/v" autoplay></video>',
    '<div style="position:fixed;inset:0;background:url(http://beacon.test/d)">over</div>',
    '<p id="left">clash</p>',
    "<math><mtext><table><mglyph><style><img src=x onerror=window.ran=1></style></mglyph></table></mtext></math>",
    r"$\href{javascript:window.ran=1}{x}$ $\style{position:fixed}{y}$ $\class{answer}{z}$ $\text{<img src=x onerror=window.ran=1>}$",
    "${window.ran=1} {{value}} `${window.ran=1}`",
)


@pytest.mark.parametrize("text", HARMFUL)
@pytest.mark.parametrize("links", [False, True])
def test_nothing_harmful_gets_through(text, links):
    html = markdown(text, links=links)
    tags = set(re.findall(r"<\s*/?([a-zA-Z0-9]+)", html))
    assert not tags & {
        "script",
        "img",
        "iframe",
        "style",
        "svg",
        "form",
        "input",
        "video",
        "div",
        "use",
        "link",
        "mglyph",
    }
    attributes = {name for tag in re.findall(r"<[a-zA-Z][^>]*>", html) for name in re.findall(r"\s([a-z-]+)=", tag)}
    assert attributes <= {"class", "display", *(("href", "rel", "target") if links else ())}
    assert set(re.findall(r'class="([^"]*)"', html)) <= {"address", "formula", "picture"}


def test_markdown_is_formatted_and_raw_html_is_shown_as_the_text_it_is():
    assert markdown("**bold** <b>raw</b>") == "<p><strong>bold</strong> &lt;b&gt;raw&lt;/b&gt;</p>\n"
    assert "<table>" in markdown("| a | b |\n|---|---|\n| 1 | 2 |")


def test_an_answers_link_is_text_with_its_address_and_a_guidelines_link_a_link():
    assert markdown("[site](http://a.test/)") == '<p>site <span class="address">(http://a.test/)</span></p>\n'
    assert markdown("[site](http://a.test/)", links=True) == (
        '<p><a href="http://a.test/" target="_blank" rel="noopener noreferrer nofollow">site</a></p>\n'
    )


@pytest.mark.parametrize("text", ["$x^2$", r"\(x^2\)"])
def test_latex_in_the_line_is_mathml(text):
    assert markdown(text) == '<p><math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math></p>\n'


@pytest.mark.parametrize("text", ["$$x$$", r"\[x\]", "$$\nx\n$$"])
def test_latex_on_its_own_is_a_block(text):
    assert '<math display="block"><mrow><mi>x</mi></mrow></math>' in markdown(text)


def test_prices_are_no_formula_and_an_unknown_formula_shows_its_source():
    assert markdown("from $5 to $6") == "<p>from $5 to $6</p>\n"
    assert markdown(r"$\frac{$") == '<p><span class="formula">\\frac{</span></p>\n'
    assert markdown(r"$\text{a<b>}$") == '<p><span class="formula">\\text{a&lt;b&gt;}</span></p>\n'


@pytest.mark.parametrize(
    "text",
    [
        "*" * (LONGEST + 1),
        "![" * 14_000,
        "[" * 30_000,
        "|a" * 2_500 + "|\n" + "|-" * 2_500 + "|\n" + "|\n" * 6_000,
        "|a" * 50 + "|\n" + "|-" * 50 + "|\n" + "|\n" * 14_000,
        "$" + "x^2" * 400 + "$ " + ("$" + "{x}" * 60 + "$ ") * 90,
        "- a\n" * 7_500,
    ],
    ids=lambda text: text[:6],
)
def test_a_text_above_the_budget_is_not_formatted(text):
    with pytest.raises(TooComplex):
        markdown(text)
    assert format_text(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "A **normal** paragraph with `code`, a [link](http://a.test) and *emphasis*.\n\n- one item\n- and two\n\n"
        * 250,
        ("| a | b | c |\n|---|---|---|\n" + "| some | cells | here |\n" * 20 + "\n") * 50,
        "```\n" + "x = [1, 2]\n" * 2_500 + "```",
        "Let $x^2 + y_1 = \\frac{1}{2}$ be given. " * 90,
    ],
    ids=lambda text: text[:6],
)
def test_a_long_ordinary_text_stays_within_the_budget(text):
    assert "<" in markdown(text[:LONGEST])


def test_the_comparison_of_texts_of_few_words_repeated_is_not_begun():
    for left, right in (("a " * 4_000, "a " * 3_999 + "b"), ("\n" * 60_000, "\n" * 50_000)):
        with pytest.raises(TooComplex):
            mark_differences(left, right)
        assert format_differences(left, right) is None
    words = ["and" if number % 8 == 0 else f"word{number}" for number in range(1_000)]
    assert "<mark>new</mark>" in mark_differences(" ".join(words), " ".join([*words[:400], "new", *words[400:]]))[1]


def test_words_that_only_one_answer_has_are_marked():
    assert mark_differences("Dear Mina, thank you.", "Dear Mina, thanks a lot.") == (
        "Dear Mina, <mark>thank you.</mark>",
        "Dear Mina, <mark>thanks a lot.</mark>",
    )
    assert mark_differences("a <b>", "a") == ("a <mark>&lt;b&gt;</mark>", "a")


@given(st.text(alphabet="ab \n<&", max_size=40), st.text(alphabet="ab \n<&", max_size=40))
def test_marking_changes_no_text(left, right):
    from html import unescape

    assert tuple(unescape(re.sub("</?mark>", "", side)) for side in mark_differences(left, right)) == (left, right)
