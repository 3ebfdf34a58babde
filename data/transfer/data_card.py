"""The data card of an exported folder: README.md as the Hugging Face hub reads it, with what a person asks before using the data.

https://huggingface.co/docs/hub/datasets-cards: a YAML header (configs, features, sizes), then text. The licence is left to whoever
publishes. What floors above know of labels (how far labelers agree) is named in `AGREEMENT` where the application is put together.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from data.clock import now
from data.store import Store

AGREEMENT = "labeling.quality.agreement:measure_agreement"
"""'agreement' -> "module:function"(store, source) with `rate`, `low`, `high`, `pairs`; `rate` None where no pair was judged twice."""

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
TYPES = {"text": "string", "integer": "int64", "number": "float64", "json": "string"}
MADE = {
    "person": "by people in pairwise comparisons: two answers to a prompt side by side, sides drawn at random, models not named",
    "import": "elsewhere, and imported from a file",
    "simulated": "by simulated labelers: no person said this",
    "adjudication": "by a researcher who decided what labelers disagreed on",
}
WHAT = {
    "preferences": "Preferences between two answers to a prompt.",
    "instructions": "Instructions with answers to imitate.",
    "events": "What labelers were shown and what they said, event by event; what was corrected or taken back is there with what came of it.",
}
AGREE = "How far labelers agree, in all that the home holds (a tie against a winner counts half):"
MARGIN = (
    "`margin`: 3 significantly better, 2 clearly, 1 slightly, 0 a tie. `weight`: what the row counts for in training."
)
LABELER = "`labeler`: a pseudonym, the same in every export of one home, unless names were asked for."


class DataCard:
    """Counts rows as they pass (`watched`), and writes the card (`text`)."""

    def __init__(self, store: Store, name: str, told: Mapping[str, Any], kind: str, columns: Mapping[str, str]) -> None:
        self.store, self.name, self.told, self.kind, self.columns = store, name, told, kind, columns
        self.sources: Counter[str] = Counter()
        self.labelers: set[str] = set()
        self.versions: Counter[tuple[str, int]] = Counter()
        self.margins: Counter[int] = Counter()

    def watched(self, rows: Iterable[dict]) -> Iterator[dict]:
        """The same rows."""
        for row in rows:
            self.sources[row.get("source") or ""] += 1
            if "labeler" in row:
                self.labelers.add(row["labeler"])
            if "margin" in row:
                self.margins[row["margin"]] += 1
            if "guideline_version" in row and "project" in row:
                self.versions[row["project"], row["guideline_version"]] += 1
            yield row

    def text(self, counts: Mapping[str, int], omitted: Mapping[str, int]) -> str:
        """The card of a folder with so many rows in each split, and so many left out for each reason."""
        parts = (
            self._header(counts),
            f"# {self.name}",
            WHAT[self.told["what"]],
            self._counts(counts, omitted),
            self._making(),
            self._fields(),
        )
        return "\n\n".join(part for part in parts if part) + "\n"

    def _header(self, counts: Mapping[str, int]) -> str:
        total = sum(counts.values())
        size = next((name for most, name in SIZES if total < most), "n>10M")
        files = [line for split in counts for line in (f"  - split: {split}", f'    path: "{split}.{self.kind}"')]
        splits = [
            line for split, count in counts.items() for line in (f"  - name: {split}", f"    num_examples: {count}")
        ]
        features = (
            [line for name, kind in self.columns.items() for line in _feature(name, kind)]
            if self.told["what"] != "events"
            else []
        )
        tags = ["preference", "human-feedback"] if self.told["what"] != "instructions" else ["instruction-tuning"]
        return "\n".join(
            [
                "---",
                "# license: name one before you publish, such as cc-by-4.0",
                f"pretty_name: {json.dumps(self.name)}",
                "task_categories:",
                "- text-generation",
                "tags:",
                *(f"- {tag}" for tag in tags),
                "size_categories:",
                f"- {size}",
                "configs:",
                "- config_name: default",
                "  data_files:",
                *files,
                "dataset_info:",
                *(["  features:", *features] if features else []),
                "  splits:",
                *splits,
                "---",
            ]
        )

    def _counts(self, counts: Mapping[str, int], omitted: Mapping[str, int]) -> str:
        rows = "\n".join(f"| {split} | {count:,} |" for split, count in counts.items())
        left_out = "".join(f"\n- left out, {reason}: {count:,}" for reason, count in omitted.items())
        filters = "".join(f"\n- {name}: {value}" for name, value in self.told.items())
        said = f"\n- labelers: {len(self.labelers):,}" if self.labelers else ""
        margins = ", ".join(f"{margin}: {count:,}" for margin, count in sorted(self.margins.items(), reverse=True))
        graded = f"\n- margins: {margins}" if margins else ""
        return f"## What is here\n\n| split | rows |\n| --- | --- |\n{rows}\n\nChosen on {now()[:10]}:\n{filters}{said}{graded}{left_out}"

    def _making(self) -> str:
        if self.told["what"] == "instructions":
            sources = "".join(f"\n- {source}: {count:,} rows" for source, count in self.sources.most_common())
            return f"## Where the rows come from\n{sources}"
        made = "".join(
            f"\n- {source}: {count:,} rows, made {MADE[source]}"
            for source, count in self.sources.most_common()
            if source in MADE
        )
        return f"## How it was made\n{made}\n{self._agreement()}{self._guidelines()}".rstrip()

    def _agreement(self) -> str:
        lines = []
        for source in [name for name in ("person", "import", "simulated") if self.sources[name]]:
            module, _, function = AGREEMENT.partition(":")
            found = getattr(import_module(module), function)(self.store, source)
            if found.rate is not None:
                interval = f"95 %: {found.low:.1%} to {found.high:.1%}"
                lines.append(
                    f"- {source}: {found.rate:.1%} ({interval}) on {found.pairs:,} pairs judged by two or more"
                )
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
            [MARGIN, LABELER, "`comparison` names the event that a row comes from."]
            if self.told["what"] == "preferences"
            else []
        )
        return "\n\n".join(
            [
                "## Fields",
                "`split` was drawn once from the hash of the prompt: nothing was trained on test prompts.",
                *parts,
            ]
        )


def _feature(name: str, kind: str) -> list[str]:
    if kind in TYPES:
        return [f"  - name: {name}", f"    dtype: {TYPES[kind]}"]
    if kind == "messages":
        parts = [line for part in ("role", "content") for line in (f"    - name: {part}", "      dtype: string")]
        return [f"  - name: {name}", "    list:", *parts]
    return [f"  - name: {name}", f"    list: {'string' if kind == 'texts' else 'int64'}"]
