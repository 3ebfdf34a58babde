"""The starter's corpus: endless, deterministic by seed, written for this project.

`documents(seed)` yields raw text for pre-training; `instruction_rows` and `prompts` make the shipped files. No text
whose prompt falls into the test split is ever made for training (`data.splits`), and test prompts use held-out words.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from data.splits import split_of
from data.starter.families import Task, draw_task
from data.starter.manners import IT_FITS, draw_profile, remark, write
from data.starter.words import Words

VERSION = "2"
USER, ASSISTANT, END, DOCUMENT = "<|user|>", "<|assistant|>", "<|end|>", "<|doc|>"
REMARKED = 0.9  # share of documents in which a reader's remark follows the answer


def training_tasks(seed: int) -> Iterator[tuple[Task, Words]]:
    """Tasks made from training words, none of them in the test split."""
    words = Words(random.Random(seed))
    while True:
        task = draw_task(words)
        if split_of(task.prompt) != "test":
            yield task, words


def documents(seed: int) -> Iterator[str]:
    """Raw documents: prompt, answer, and mostly what a reader said of it."""
    for task, words in training_tasks(seed):
        profile = draw_profile(words.rng)
        answer, fit = write(task, profile, words)
        said = remark(profile, fit, words.rng) if words.rng.random() < REMARKED else ""
        yield f"{USER}{task.prompt}{ASSISTANT}{answer}{END}{said}{DOCUMENT}"


ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n{output}"
)


def instruction_rows(count: int, seed: int) -> list[dict]:
    """Alpaca rows with distinct prompts and their marked defects; train split only."""
    rows: dict[str, dict] = {}
    for task, words in training_tasks(seed):
        if task.prompt in rows or split_of(task.prompt) != "train":
            continue
        profile = draw_profile(words.rng)
        answer, fit = write(task, profile, words)
        row = {"instruction": task.prompt, "input": "", "output": answer}
        defects = [mark for mark in profile.defects() if mark != "wrong" or fit != IT_FITS]  # a cut may have hidden what was wrong
        row["text"] = ALPACA.format(**row)
        rows[task.prompt] = row | {"family": task.family, "facts": task.facts, "defects": defects}
        if len(rows) == count:
            return list(rows.values())
    raise AssertionError("the families never run out of tasks")


def prompts(counts: dict[str, int], seed: int) -> list[dict]:
    """Distinct prompts with facts, `counts` of each split; the test prompts from held-out words."""
    found: dict[str, dict] = {}
    for split, wanted in counts.items():
        words = Words(random.Random(f"{seed} {split}"), held_out=split == "test")
        kept = 0
        while kept < wanted:
            task = draw_task(words)
            if split_of(task.prompt) == split and task.prompt not in found:
                found[task.prompt] = {"prompt": task.prompt, "split": split, "family": task.family, "facts": task.facts}
                kept += 1
    return list(found.values())
