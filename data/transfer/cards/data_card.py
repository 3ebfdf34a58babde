# SPDX-License-Identifier: Apache-2.0
"""The data card of an exported folder: README.md as the Hugging Face hub reads it.

https://huggingface.co/docs/hub/datasets-cards: a YAML header (configs, features, sizes), then text. The publisher
adds the licence. The labeling layer measures agreement; its function is named by text, since imports go down only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from data.clock import now
from data.formats.export.column_types import CELLS, STRUCTURES, Structure, count_bytes, feature_lines
from data.formats.writing import DEFAULT_SPLIT
from data.store import Store
from data.tables.verdicts import SOURCES
from data.version import __version__

AGREEMENT = "labeling.quality.agreement:measure_agreement"
"""The function (store, source) -> `rate`, `low`, `high`, `pairs`; `rate` is None if no pair was labeled twice."""

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
TAGS = {
    "prompts": ("prompts",),
    "preferences": ("preference", "human-feedback"),
    "instructions": ("instruction-tuning",),
    "events": ("preference", "human-feedback"),
}
MADE = {
    "person": "by people in pairwise comparisons: two answers to a prompt in random order, without model names",
    "import": "elsewhere, and imported from a file",
    "simulated": "by simulated labelers, not by people",
    "ai": "by AI labelers (models that judged), not by people",
    "adjudication": "by a researcher who decided pairs on which labelers disagreed",
}
WHAT = {
    "prompts": "Prompts without answers.",
    "preferences": "Preferences between two answers to a prompt.",
    "instructions": "Instructions with answers to imitate.",
    "events": "Every verdict of the labelers, event by event, including corrected and withdrawn ones.",
}
AGREE = "Agreement between labelers over all labels of this home (a tie against a winner counts half):"
MARGIN = (
    "`margin`: 3 significantly better, 2 clearly, 1 slightly, 0 a tie. `weight`: the weight of the row in training."
)
LABELER = "`labeler`: a pseudonym, the same in every export of one home, unless the export asked for names."


class DataCard:
    """Counts rows as they pass (`watched`), and writes the card (`text`)."""

    def __init__(
        self, store: Store, name: str, filters: Mapping[str, Any], kind: str, columns: Mapping[str, str]
    ) -> None:
        self.store, self.name, self.filters, self.kind, self.columns = store, name, filters, kind, columns
        self.sources: Counter[str] = Counter()
        self.labelers: set[str] = set()
        self.versions: Counter[tuple[str, int]] = Counter()
        self.margins: Counter[int] = Counter()
        self.bytes: Counter[str] = Counter()
        self.csv = kind.startswith("csv")
        self.structures = {name: self._structure(of) for name, of in columns.items()}

    def watched(self, rows: Iterable[dict]) -> Iterator[dict]:
        """Yield the same rows and count them."""
        for row in rows:
            self.sources[row.get("source") or ""] += 1
            self.bytes[row.get("split") or DEFAULT_SPLIT] += count_bytes(row, self.structures)
            if self.csv:
                self._allow_empty_cells(row)
            if "labeler" in row:
                self.labelers.add(row["labeler"])
            if "margin" in row:
                self.margins[row["margin"]] += 1
            if "guideline_version" in row and "project" in row:
                self.versions[row["project"], row["guideline_version"]] += 1
            yield row

    @property
    def typed(self) -> dict[str, Structure]:
        """Return the structure of each column whose values have one type."""
        return {name: structure for name, structure in self.structures.items() if structure != "json"}

    @property
    def summary(self) -> str:
        """Return one sentence about the rows and one about the program."""
        return f"{WHAT[self.filters['what']]} Written by preference-loop {__version__}."

    def text(self, folder: Path, counts: Mapping[str, int], omitted: Mapping[str, int]) -> str:
        """Return the card of a folder, by the number of rows in each split and of omitted rows for each reason."""
        parts = (
            self._header(folder, counts),
            f"# {self.name}",
            self.summary,
            self._counts(counts, omitted),
            self._making(),
            self._fields(),
        )
        return "\n\n".join(part for part in parts if part) + "\n"

    def _header(self, folder: Path, counts: Mapping[str, int]) -> str:
        download = sum((folder / f"{split}.{self.kind}").stat().st_size for split in counts)
        total = sum(counts.values())
        size = next((name for most, name in SIZES if total < most), "n>10M")
        files = [line for split in counts for line in (f"  - split: {split}", f'    path: "{split}.{self.kind}"')]
        splits = [
            line
            for split, count in counts.items()
            for line in (f"  - name: {split}", f"    num_bytes: {self.bytes[split]}", f"    num_examples: {count}")
        ]
        features = [line for name, structure in self.structures.items() for line in feature_lines(name, structure)]
        return "\n".join(
            [
                "---",
                "# license: name one before you publish, such as cc-by-4.0",
                f"pretty_name: {json.dumps(self.name)}",
                "task_categories:",
                "- text-generation",
                "tags:",
                *(f"- {tag}" for tag in TAGS[self.filters["what"]]),
                "size_categories:",
                f"- {size}",
                "configs:",
                "- config_name: default",
                "  data_files:",
                *files,
                *(["  keep_default_na: false", *self._empty_cells(), "  features:", *features] if self.csv else []),
                "dataset_info:",
                "  features:",
                *features,
                "  splits:",
                *splits,
                f"  download_size: {download}",
                f"  dataset_size: {sum(self.bytes.values())}",
                "---",
            ]
        )

    def _structure(self, kind: str) -> Structure:
        """Return the structure of a column; a cell of CSV holds JSON as text."""
        if kind == "json" and self.kind.startswith("jsonl"):
            return "json"
        return "string" if self.csv and kind not in CELLS else STRUCTURES[kind]

    def _allow_empty_cells(self, row: Mapping[str, Any]) -> None:
        """Make a column of integers one of floats if a cell is empty: CSV has no empty integer."""
        for name, structure in self.structures.items():
            if structure == "int64" and row.get(name) is None:
                self.structures[name] = "float64"

    def _empty_cells(self) -> list[str]:
        """Return the parameter by which only an empty number is a null: a text such as NA or 03 stays as it is."""
        numbers = [name for name, structure in self.structures.items() if structure in ("int64", "float64")]
        return ["  na_values:", *(f"    {name}: ['']" for name in numbers)] if numbers else []

    def _counts(self, counts: Mapping[str, int], omitted: Mapping[str, int]) -> str:
        rows = "\n".join(f"| {split} | {count:,} |" for split, count in counts.items())
        left_out = "".join(f"\n- left out, {reason}: {count:,}" for reason, count in omitted.items())
        chosen = "".join(f"\n- {name}: {value}" for name, value in self.filters.items())
        labelers = f"\n- labelers: {len(self.labelers):,}" if self.labelers else ""
        margins = ", ".join(f"{margin}: {count:,}" for margin, count in sorted(self.margins.items(), reverse=True))
        graded = f"\n- margins: {margins}" if margins else ""
        return (
            f"## Contents\n\n| split | rows |\n| --- | --- |\n{rows}\n\n"
            f"Exported on {now()[:10]} (UTC):\n{chosen}{labelers}{graded}{left_out}"
        )

    def _making(self) -> str:
        if self.filters["what"] == "instructions":
            sources = "".join(f"\n- {source}: {count:,} rows" for source, count in self.sources.most_common())
            return f"## Where the rows come from\n{sources}"
        origins = "".join(
            f"\n- {source}: {count:,} rows, made {MADE[source]}"
            for source, count in self.sources.most_common()
            if source in MADE
        )
        return f"## How it was made\n{origins}\n{self._agreement()}{self._guidelines()}".rstrip()

    def _agreement(self) -> str:
        lines = []
        for source in [name for name in SOURCES if self.sources[name]]:
            module, _, function = AGREEMENT.partition(":")
            measured = getattr(import_module(module), function)(self.store, source)
            if measured.rate is not None:
                interval = f"95 %: {measured.low:.1%} to {measured.high:.1%}"
                pairs = f"{measured.pairs:,} pairs with two or more labelers"
                lines.append(f"- {source}: {measured.rate:.1%} ({interval}) on {pairs}")
        return "\n".join(["", AGREE, "", *lines, ""]) if lines else ""

    def _guidelines(self) -> str:
        if not self.versions or not self.sources["person"]:
            return ""
        parts = []
        for (name, version), count in sorted(self.versions.items()):
            project = self.store.projects.by_name(name)
            text = "\n".join(
                f"> {line}" for line in self.store.projects.guideline(project.id, version).text.splitlines()
            )
            parts.append(f"### Guideline of {name}, version {version} ({count:,} rows)\n\n{text}")
        return "\n" + "\n\n".join(parts)

    def _fields(self) -> str:
        parts = (
            [MARGIN, LABELER, "`comparison` is the id of the event behind a row."]
            if self.filters["what"] == "preferences"
            else []
        )
        return "\n\n".join(
            [
                "## Fields",
                "`split` comes from the hash of the prompt, once and for all: no model trains on test prompts.",
                *parts,
            ]
        )
