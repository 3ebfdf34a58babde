# SPDX-License-Identifier: Apache-2.0
"""Pre-training and SFT in tokens per second, against plain transformers' Trainer and TRL's SFTTrainer, in turn.

Both sides train the same model on the same documents or rows in the same precision, as many to a step, without gradient checkpointing;
theirs keep their own optimizer, sampler and collator. A token is one of a document or row, never padding. Processor time stands beside the
clock, since other programs may hold the cores. `of_peak` is the share of the rate of a large matrix product in that precision, measured
here, that the model's own products make up: 6 operations per parameter and token where all weights are trained, 4 where a LoRA is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    DataCollatorForLanguageModeling,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from data.starter import BASE, INSTRUCTIONS, read_rows
from data.starter.corpus import documents
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_config
from rlhf.methods.pretrain import build_trainer, llama_config
from rlhf.methods.pretraining_rows import PretrainingRows, tokenize_documents
from rlhf.methods.pretraining_text import TextSource
from rlhf.methods.sft import build_trainer as build_sft
from rlhf.methods.sft_rows import tokenize
from rlhf.settings import PretrainSettings, SFTSettings

STEPS, ROUNDS = 8, 2
SIDE = 1024
"""Of the matrices whose product gives the machine's rate."""
Made = Callable[[Path], tuple[Trainer, list[int]]]


def training(home: Path, *, steps: int = STEPS, rounds: int = ROUNDS, only: str | None = None) -> dict:
    """Both figures, or `only` one: medians over the rounds of tokens per second and of the ratio."""
    found: dict[str, Any] = {"steps": steps, "rounds": rounds, "threads": torch.get_num_threads()}
    for name, make in SIDES.items():
        if only not in (None, name):
            continue
        ours, theirs, operations, precision = make(steps)
        lines = [
            {"ours": timed(ours, home / f"{name}-ours-{n}"), "theirs": timed(theirs, home / f"{name}-theirs-{n}")}
            for n in range(rounds)
        ]
        found[name] = summary(lines, operations, matrix_rate(precision))
    return found


def pretrain_sides(steps: int) -> tuple[Made, Made, float, torch.dtype]:
    """The starter's shape, tokenizer, documents and batch."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(BASE)
    settings = PretrainSettings(max_steps=steps)
    text = TextSource(documents, documents)

    def model() -> LlamaForCausalLM:
        torch.manual_seed(0)
        return LlamaForCausalLM(llama_config(settings, tokenizer))

    def ours(folder: Path) -> tuple[Trainer, list[int]]:
        rows = PretrainingRows(text, tokenizer, settings)
        return counted(build_trainer(folder, settings, model(), rows))

    def theirs(folder: Path) -> tuple[Trainer, list[int]]:
        rows = tokenize_documents(tokenizer, list(islice(text.documents(1), steps * settings.batch_size)))
        arguments = TrainingArguments(
            str(folder),
            max_steps=steps,
            per_device_train_batch_size=settings.batch_size,
            bf16=True,
            use_cpu=not torch.cuda.is_available(),
            report_to="none",
            disable_tqdm=True,
            save_strategy="no",
        )
        collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
        data = Dataset.from_list([{"input_ids": row[: settings.context]} for row in rows])
        return counted(Trainer(model(), arguments, data_collator=collator, train_dataset=data))

    return ours, theirs, 6.0 * model().num_parameters(), torch.bfloat16


def sft_sides(steps: int) -> tuple[Made, Made, float, torch.dtype]:
    """A LoRA on the starter's base, on the shipped instruction rows."""
    settings = SFTSettings(max_steps=steps)
    rows = list(islice(read_rows(INSTRUCTIONS), steps * settings.batch_size * 4))
    base = Base.load("starter")
    data, _ = tokenize(base, [row["instruction"] for row in rows], [row["output"] for row in rows])

    def ours(folder: Path) -> tuple[Trainer, list[int]]:
        fresh = Base.load("starter")
        return counted(build_sft(folder, settings, fresh.causal, fresh, data))

    def theirs(folder: Path) -> tuple[Trainer, list[int]]:
        fresh = Base.load("starter")
        arguments = SFTConfig(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=settings.batch_size,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            disable_tqdm=True,
            save_strategy="no",
        )
        return counted(
            SFTTrainer(
                fresh.causal,
                arguments,
                train_dataset=data,
                processing_class=fresh.tokenizer,
                peft_config=lora_config(fresh.causal, settings.rank),
            )
        )

    return ours, theirs, 4.0 * base.causal.num_parameters(), torch.float32


SIDES = {"pretrain": pretrain_sides, "sft": sft_sides}


def counted(trainer: Trainer) -> tuple[Trainer, list[int]]:
    """The trainer, and a list that fills with the real tokens of each batch."""
    collate, tokens = trainer.data_collator, []

    def counting(rows: list[dict]) -> dict:
        tokens.append(sum(len(row["input_ids"]) for row in rows))
        return collate(rows)

    trainer.data_collator = counting
    trainer.remove_callback(PrinterCallback)
    return trainer, tokens


def timed(make: Made, folder: Path) -> dict[str, float]:
    """Tokens per second by the clock and by processor time of a training; making it is not in it."""
    trainer, tokens = make(folder)
    clock, processor = time.perf_counter(), time.process_time()
    trainer.train()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    trained = sum(tokens[: trainer.state.global_step])  # the loader is a batch ahead
    return {"tokens": trained, "per_second": trained / clock, "per_processor_second": trained / processor}


def matrix_rate(precision: torch.dtype, times: int = 20) -> float:
    """Operations per second of processor time of a product of two large matrices."""
    one, two = torch.randn(SIDE, SIDE).to(precision), torch.randn(SIDE, SIDE).to(precision)
    one @ two
    began = time.process_time()
    for _ in range(times):
        one @ two
    return times * 2 * SIDE**3 / (time.process_time() - began)


def summary(lines: list[dict], operations: float, peak: float) -> dict:
    """Medians over the rounds; ratios are of the same round."""
    found: dict[str, Any] = {}
    for side in ("ours", "theirs"):
        found[side] = {
            name: round(statistics.median(line[side][name] for line in lines), 1)
            for name in ("per_second", "per_processor_second")
        }
        found[side]["of_peak"] = round(found[side]["per_processor_second"] * operations / peak, 3)
    for name in ("per_second", "per_processor_second"):
        found[f"ratio_{name}"] = round(
            statistics.median(line["ours"][name] / line["theirs"][name] for line in lines), 2
        )
    return found | {"tokens": lines[0]["ours"]["tokens"], "matrix_gflops": round(peak / 1e9, 1)}


def main() -> None:
    """One JSON line."""
    parser = argparse.ArgumentParser(
        prog="tests.bench.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=sorted(SIDES))
    asked = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory(prefix="bench-training-") as folder:
        print(
            json.dumps(training(Path(folder), steps=asked.steps, rounds=asked.rounds, only=asked.only)),
            file=sys.stdout,
            flush=True,
        )


if __name__ == "__main__":
    main()
