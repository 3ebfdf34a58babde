# SPDX-License-Identifier: Apache-2.0
"""TRL 1.12's PPOTrainer on the shared world, one process: `python -m tests.bench.ppo.theirs BASE CASE`, TRL 1.12 first on PYTHONPATH."""

from __future__ import annotations

import json
import sys
import tempfile

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

from tests.bench.ppo.world import ANSWER, EPISODES, EPOCHS, RANK, Case, Turns, prompts

MANY = 10**6
MICRO = 16  # answers in one pass of the tuned one, as many as ours has


def config(case: Case, folder: str, **given) -> PPOConfig:
    """The figure's sizes; the rest as it comes, or tuned."""
    tuned = (
        {"gradient_checkpointing": False, "stop_token": "eos", "per_device_train_batch_size": MICRO}
        if case.setting == "tuned"
        else {}
    )
    options = (
        {"per_device_train_batch_size": 8, "bf16": case.bf16, "response_length": ANSWER, "total_episodes": MANY}
        | tuned
        | given
    )
    return PPOConfig(
        folder,
        **options,
        gradient_accumulation_steps=EPISODES // options["per_device_train_batch_size"],
        num_ppo_epochs=EPOCHS,
        num_sample_generations=0,
        use_cpu=not torch.cuda.is_available(),
        temperature=1.0,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )


def rows(tokenizer, texts: list[str]) -> Dataset:
    """Prompts as TRL's trainer wants them: ids."""
    asked = [tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False) for text in texts]
    return Dataset.from_dict({"input_ids": tokenizer(asked)["input_ids"]})


def count_tokens(turns: Turns) -> None:
    """Let `turns` know how many answer tokens an update trains on: they are what TRL's own mask leaves over."""
    whiten = ppo_trainer.masked_whiten

    def counted(values, mask, shift_mean=True):
        turns.tokens = int(mask.sum())
        return whiten(values, mask, shift_mean)

    ppo_trainer.masked_whiten = counted


def trainer(base: str, args: PPOConfig, texts: list[str], callback, reward=None) -> PPOTrainer:
    """Policy with LoRA on all linear layers, a full value model, and a full reward model unless one is given."""
    tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
    scored = [
        AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, dtype=torch.float32) for _ in range(2)
    ]
    return PPOTrainer(
        args,
        tokenizer,
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        None,
        reward or scored[0],
        rows(tokenizer, texts),
        scored[1],
        eval_dataset=rows(tokenizer, texts[:8]),
        callbacks=[callback],
        peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def main() -> None:
    """Train until told to stop."""
    base, case = sys.argv[1], Case(**json.loads(sys.argv[2]))
    turns = Turns(per_update=1)
    count_tokens(turns)
    with tempfile.TemporaryDirectory() as folder:
        trainer(base, config(case, folder), prompts(1), turns).train()


if __name__ == "__main__":
    main()
