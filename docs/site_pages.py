# SPDX-License-Identifier: Apache-2.0
"""Hook of mkdocs: documents outside of docs/ are pages of the site, and links to them lead there."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.ko.md": "overview.ko.md",
    "SECURITY.md": "reporting.md",
    "data/starter/README.md": "starter.md",
}
"""Document in the repository -> page of the site."""
TARGETS = PAGES | {"README.md": "index.md"}
"""The same, and the page that stands for the README."""
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:  # noqa: ANN401 (mkdocs is not installed where the gates run)
    """Add the documents as pages."""
    from mkdocs.structure.files import File

    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:  # noqa: ANN401
    """Turn the links of a document into links between pages of the site."""
    site_path = page.file.src_uri
    sources = {target: source for source, target in PAGES.items()}
    return translate_links(markdown, sources.get(site_path, f"docs/{site_path}"), site_path)


def translate_links(markdown: str, source: str, site_path: str) -> str:
    """Return the text with each relative link of the document at `source` as one of the page at `site_path`."""

    def translate(match: re.Match[str]) -> str:
        opening, target, anchor = match[1], match[2], match[3] or ""
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        there = TARGETS.get(path) or path.removeprefix("docs/")
        return f"{opening}{posixpath.relpath(there, posixpath.dirname(site_path) or '.')}{anchor})"

    return LINK.sub(translate, markdown)
