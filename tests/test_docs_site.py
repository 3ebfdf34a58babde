# SPDX-License-Identifier: Apache-2.0
"""The documentation's site: every page is in the navigation, every link leads somewhere, no other host is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.site_pages import PAGES, translate_links
from tests.support import ROOT

DOCS = ROOT / "docs"
DOCUMENTS = sorted({*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / source for source in PAGES)}, key=str)
LINK = re.compile(r"\]\(([^)\s]+)\)")
LIST_ITEM = re.compile(r"(?:[-*]|\d+\.) ")


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml; the functions that it names are mkdocs's business."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)
SITE = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)  # noqa: S506 (a SafeLoader)


def entries(nav: list[Any], depth: int = 0) -> Iterator[tuple[str, int]]:
    """Yield (page, number of headings above it) of a part of the navigation."""
    for entry in nav:
        (value,) = entry.values() if isinstance(entry, dict) else (entry,)
        if isinstance(value, list):
            yield from entries(value, depth + 1)
        else:
            yield value, depth


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines outside of code blocks."""
    fenced = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and not line.startswith("    "):
            yield number, line


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document, named as GitHub names them and as mkdocs.yml asks."""
    lines = [line for _, line in text_lines(path)]
    names = {name for line in lines for name in re.findall(r'<a id="([^"]+)"', line)}
    for line in lines:
        if match := re.match(r"#+ (.+)", line):
            title = re.sub(r"`|\[([^\]]*)\]\([^)]*\)", r"\1", match[1])
            names.add(re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-"))
    return names


def links(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, target) of every link to a file or an anchor of the repository."""
    for number, line in text_lines(path):
        for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if "://" not in target and not target.startswith("mailto:"):
                yield number, target


def test_every_page_is_in_the_navigation_once_and_every_entry_exists():
    pages = [str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")] + list(PAGES.values())
    assert sorted(page for page, _ in entries(SITE["nav"])) == sorted(pages)


def test_every_page_is_two_clicks_away():
    # one click opens a tab and shows all of its pages, the next one a page
    assert "navigation.expand" in SITE["theme"]["features"]
    assert "navigation.tabs" in SITE["theme"]["features"]
    assert {page: depth for page, depth in entries(SITE["nav"]) if depth > 2} == {}


def test_the_site_is_strict_and_asks_no_other_host():
    assert SITE["strict"] is True
    assert SITE["theme"]["font"] is False
    assert {"extra_javascript", "extra_css", "repo_url"} & set(SITE) == set()
    diagrams = [
        (path.name, number)
        for path in DOCUMENTS
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if "```mermaid" in line
    ]
    assert diagrams == []  # the theme would load their renderer from another host


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    lost = []
    for number, target in links(path):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            lost.append((number, target))
    assert lost == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_list_has_an_empty_line_above_it(path):
    # GitHub needs none there; the site's Markdown would read the list as text
    before, problems = "", []
    for number, line in text_lines(path):
        if LIST_ITEM.match(line) and before and not LIST_ITEM.match(before) and not before.startswith("  "):
            problems.append((number, line))
        before = line
    assert problems == []


def test_links_of_documents_outside_of_docs_become_links_between_pages():
    text = "[a](docs/ppo.md#memory) ![b](docs/images/x.svg) [c](https://example.org) [d](#here)"
    assert translate_links(text, "CONTRIBUTING.md", "contributing.md") == (
        "[a](ppo.md#memory) ![b](images/x.svg) [c](https://example.org) [d](#here)"
    )
    assert translate_links("[e](../../CHANGELOG.md)", "docs/how-to/x.md", "how-to/x.md") == "[e](../changelog.md)"


def test_every_line_of_the_requirements_has_a_pin_and_a_reason():
    lines = [
        line for line in (ROOT / "requirements-docs.txt").read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[\w\[\]-]+~=[\d.]+ +# .+", line)] == []
