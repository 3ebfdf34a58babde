# SPDX-License-Identifier: Apache-2.0
"""Training a reward model against plain TRL RewardTrainer, on public preference data that is not part of the project.

Both sides train the same LoRA with the same learning rate, schedule, precision and pairs per step on the same token ids,
without gradient checkpointing, each batch padded to its longest row; they take turns in one process, seed by seed, which keeps freed
memory as a run of the app does. The rate is pairs of the
training set times epochs per second of `trainer.train()`; accuracy is on prompts of the test split (equal scores half).
Ties, which plain RewardTrainer cannot take, are left out on both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, PrinterCallback
from trl import RewardTrainer

from data.splits import split_of
from data.views.preferences import PreferenceRow
from reward.base.frozen_base import Base
from reward.base.locate import locate
from reward.base.machine import keep_freed_memory
from reward.settings import RewardSettings
from reward.training.arguments import trainer_arguments
from reward.training.classifier import HEAD_SPREAD, lora_for_scoring, remove_adapter, scoring_pad
from reward.training.fit import Start, build_trainer
from reward.training.packing import last_hidden, separate
from reward.training.rows import EncodedComparison, RowEncoder
from reward.training.trainer import trainer_config

FOLDER = "REWARD_BENCH_DATA"
FILES = ("instruction-data-with-preference.json", "testset-v1.json")
"""The preference data of rasbt/LLMs-from-scratch, and PandaLM's test set with the labels of three annotators."""
AT_ONCE = 32


def reward_speed(home: Path, *, seed: int = 0, base: str = "starter", max_steps: int = 0) -> dict:
    """Both data sets, one seed; `max_steps` 0: one epoch."""
    folder = Path(os.environ.get(FOLDER, "")).expanduser()
    missing = [name for name in FILES if not list(folder.rglob(name))] if os.environ.get(FOLDER) else list(FILES)
    if missing:
        return {"seed": seed, "missing": f"{', '.join(missing)}: set {FOLDER} to a folder that holds them"}
    keep_freed_memory()
    settings = RewardSettings(seed=seed, batch_size=16, max_steps=max_steps)
    found = {"seed": seed, "base": base, "threads": torch.get_num_threads()}
    for name, read in zip(FILES, (instructions, pandalm), strict=True):
        rows = read(json.loads(next(folder.rglob(name)).read_text()))
        found[name] = compare(home / name, settings, base, rows)
    return found


def compare(home: Path, settings: RewardSettings, base: str, rows: Sequence[PreferenceRow]) -> dict:
    """Ours, theirs and the ratio on one data set."""
    encoder = RowEncoder(Base.load(base))
    train, test = (encoder.encode([row for row in rows if row.split == split]) for split in ("train", "test"))
    found = {"train_pairs": len(train), "test_pairs": len(test), "truncated": encoder.truncated}
    found["ours"] = ours(home / "ours", settings, base, train, test)
    found["theirs"] = theirs(home / "theirs", settings, base, train, test)
    return found | {"ratio": round(found["ours"]["pairs_per_second"] / found["theirs"]["pairs_per_second"], 2)}


def ours(
    home: Path,
    settings: RewardSettings,
    source: str,
    train: Sequence[EncodedComparison],
    test: Sequence[EncodedComparison],
) -> dict:
    """This project's trainer."""
    base = Base.load(source)
    trainer = build_trainer(home, settings, base, Start(source, None), train)
    result = timed(trainer, len(train))
    result["accuracy"] = accuracy(trainer.model, scoring_pad(base), test)
    remove_adapter(base, trainer.model)
    return result


def theirs(
    home: Path,
    settings: RewardSettings,
    source: str,
    train: Sequence[EncodedComparison],
    test: Sequence[EncodedComparison],
) -> dict:
    """Plain RewardTrainer with its own loss, sampler and collator, on ready token ids."""
    base = Base.load(source)
    pad = scoring_pad(base)
    base.tokenizer.pad_token = base.tokenizer.convert_ids_to_tokens(pad)
    model = AutoModelForSequenceClassification.from_pretrained(
        locate(source), num_labels=1, dtype=torch.float32, local_files_only=True
    )
    torch.manual_seed(settings.seed)
    torch.nn.init.normal_(model.score.weight, std=HEAD_SPREAD)
    trainer = RewardTrainer(
        model=model,
        args=trainer_config(
            **trainer_arguments(home, settings, base.device),
            num_train_epochs=settings.epochs,
            max_steps=settings.max_steps or -1,
        ),
        train_dataset=Dataset.from_list([_chosen(each) for each in train]),
        processing_class=base.tokenizer,
        peft_config=lora_for_scoring(model, settings),
    )
    return timed(trainer, len(train)) | {"accuracy": accuracy(trainer.model, pad, test)}


def timed(trainer: RewardTrainer, pairs: int) -> dict:
    """Train, and say how fast: pairs of the whole training set for every epoch of it that was seen."""
    trainer.remove_callback(PrinterCallback)
    began = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - began
    return {
        "pairs_per_second": round(trainer.state.epoch * pairs / seconds, 3),
        "seconds": round(seconds, 1),
        "steps": trainer.state.global_step,
    }


@torch.no_grad()
def accuracy(model: torch.nn.Module, pad: int, rows: Sequence[EncodedComparison]) -> float:
    """Share of comparisons that the scores order as labeled."""
    classifier = model.eval().get_base_model()
    trunk = getattr(classifier, classifier.base_model_prefix)
    right = []
    for start in range(0, len(rows), AT_ONCE):
        batch = rows[start : start + AT_ONCE]
        layout = separate([each.prompt for each in batch], [[each.a, each.b] for each in batch], pad)
        a, b = classifier.score(last_hidden(trunk, layout)).view(-1, 2).T.tolist()
        right += [
            0.5 if x == y else float((x > y) == (each.row.label == 1.0)) for x, y, each in zip(a, b, batch, strict=True)
        ]
    return round(statistics.mean(right), 4)


def instructions(items: Sequence[dict]) -> list[PreferenceRow]:
    """Polite answers over impolite ones."""
    return _rows([(_prompt(item), item["chosen"], item["rejected"], 1.0) for item in items])


def pandalm(items: Sequence[dict]) -> list[PreferenceRow]:
    """The majority of three annotators; ties and missing answers left out. Several answers of a prompt are compared."""
    rows = []
    for item in items:
        verdict, votes = Counter(item[f"annotator{number}"] for number in (1, 2, 3)).most_common(1)[0]
        texts = item["response1"], item["response2"]
        if (
            votes > 1
            and verdict in (1, 2)
            and all(isinstance(text, str) and text for text in texts)
            and texts[0] != texts[1]
        ):
            rows.append((_prompt(item), *texts, float(verdict == 1)))
    return _rows(rows)


def _prompt(item: dict) -> str:
    return f"{item['instruction']}\n{item['input']}" if item["input"] else item["instruction"]


def _rows(found: Sequence[tuple[str, str, str, float]]) -> list[PreferenceRow]:
    numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompt for prompt, *_ in found))}
    return [
        PreferenceRow(
            str(number),
            numbers[prompt],
            prompt,
            None,
            split_of(prompt),
            a,
            b,
            a,
            b,
            None,
            None,
            label,
            2,
            1.0,
            "import",
            1,
            "bench",
            "bench",
            1,
        )
        for number, (prompt, a, b, label) in enumerate(found)
    ]


def _chosen(each: EncodedComparison) -> dict[str, list[int]]:
    better, worse = (each.a, each.b) if each.row.label == 1.0 else (each.b, each.a)
    return {"chosen_ids": each.prompt + better, "rejected_ids": each.prompt + worse}


def main() -> None:
    """Seed by seed, one JSON line each, and one with the medians."""
    parser = argparse.ArgumentParser(
        prog="tests.bench.reward_speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help=f"the folder with {' and '.join(FILES)}; without it ${FOLDER}")
    parser.add_argument("--base", default="starter", help="a folder of a base model")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--max-steps", type=int, default=0, help="0: a whole epoch")
    asked = parser.parse_args()
    if asked.data:
        os.environ[FOLDER] = asked.data
    lines = []
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory(prefix="bench-reward-speed-") as folder:
            lines.append(reward_speed(Path(folder), seed=seed, base=asked.base, max_steps=asked.max_steps))
        print(json.dumps(lines[-1]), flush=True)
        if "missing" in lines[-1]:
            return
    print(json.dumps({name: summary([line[name] for line in lines]) for name in FILES}))


def summary(lines: Sequence[dict]) -> dict:
    """Median rates and ratio; mean accuracy of each side with its standard error over the seeds."""
    found = {"ratio": statistics.median(line["ratio"] for line in lines)}
    for side in ("ours", "theirs"):
        found[f"{side}_pairs_per_second"] = statistics.median(line[side]["pairs_per_second"] for line in lines)
        shares = [line[side]["accuracy"] for line in lines]
        error = statistics.stdev(shares) / len(shares) ** 0.5 if len(shares) > 1 else None
        found[f"{side}_accuracy"], found[f"{side}_accuracy_error"] = statistics.mean(shares), error
    return found


if __name__ == "__main__":
    main()
