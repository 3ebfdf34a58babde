# SPDX-License-Identifier: Apache-2.0
"""Record PPO steps of TRL 1.12: PYTHONPATH=FOLDER:. python -m tests.oracle.record OUT, where FOLDER has trl 1.12.0.

    pip install --no-deps --target FOLDER trl==1.12.0

Two runs: `plain` has a critic and a value loss; `policy` has values of 0 and no value loss, so that its LoRA weights after two
updates can be compared. Tensors are named run.update.name and run.update.step.name; rows are answers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from reward.base.frozen_base import Base
from tests.oracle.models import ALPHA, LENGTH, PROMPTS, RANK, SETTINGS, fill, make_base, normal

ROLLOUT = (
    "queries",
    "responses",
    "logprobs",
    "ref_logprobs",
    "values",
    "scores",
    "padding_mask",
    "padding_mask_p1",
    "returns",
    "kl",
)
STEP = ("micro_batch_inds", "new_logprobs", "vpred", "pg_loss", "vf_loss")
RUNS = {"plain": {"vf_coef": 0.5, "updates": 1}, "policy": {"vf_coef": 0.0, "updates": 2}}


def record(folder: Path, name: str, vf_coef: float, updates: int) -> dict[str, Tensor]:
    """One run's tensors."""
    import trl
    from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

    assert trl.__version__ == "1.12.0", f"this is trl {trl.__version__}"
    base = Base.load(folder)
    tokenizer = base.tokenizer
    tokenizer.padding_side = "left"
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
    policy = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)
    fill(get_peft_model_state_dict(policy), 0.1)
    rows = Dataset.from_dict({"input_ids": [base.encode_prompt(prompt) for prompt in PROMPTS]})
    args = PPOConfig(
        output_dir=str(folder / name),
        per_device_train_batch_size=len(PROMPTS),
        gradient_accumulation_steps=1,
        total_episodes=updates * len(PROMPTS),
        response_length=LENGTH,
        stop_token="eos",
        vf_coef=vf_coef,
        lr_scheduler_type="constant",
        num_sample_generations=0,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        seed=3,
        **SETTINGS,
    )
    trainer = PPOTrainer(
        args,
        tokenizer,
        policy,
        None,
        classifier(folder, None, "reward", 0.3),
        rows,
        classifier(folder, policy, "value", 0.2 if vf_coef else 0.0),
        eval_dataset=rows,
    )
    kept: dict[str, Tensor] = {}
    whiten = ppo_trainer.masked_whiten
    watch(trainer, ppo_trainer, kept, name)
    trainer.train()
    ppo_trainer.masked_whiten = whiten
    return kept | {f"{name}.lora.{key}": value for key, value in get_peft_model_state_dict(policy).items()}


def classifier(folder: Path, policy: Any, head: str, std: float) -> torch.nn.Module:
    """A scorer on the base, or on the policy's merged weights, with a head by name."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    if policy is not None:
        merged = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), policy.peft_config["default"])
        fill(get_peft_model_state_dict(merged), 0.1)
        model.model.load_state_dict(merged.merge_and_unload().model.state_dict())
    model.score.weight.data = normal(head, model.score.weight.shape, std)
    return model


def watch(trainer: Any, module: Any, kept: dict[str, Tensor], name: str) -> None:
    """Keep what its training loop holds where advantages are whitened and where a loss goes backward."""
    whiten, backward, at = module.masked_whiten, trainer.accelerator.backward, {"update": -1, "step": 0}

    def keep(prefix: str, names: tuple[str, ...], found: dict[str, Any]) -> None:
        for each in names:
            kept[f"{prefix}.{each}"] = torch.as_tensor(found[each]).detach().clone().contiguous()

    def whitening(values: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
        at["update"], at["step"] = at["update"] + 1, 0
        keep(f"{name}.{at['update']}", ROLLOUT, sys._getframe(1).f_locals)
        kept[f"{name}.{at['update']}.raw_advantages"] = values.clone()
        kept[f"{name}.{at['update']}.advantages"] = whiten(values, mask, shift_mean)
        return kept[f"{name}.{at['update']}.advantages"].clone()

    def going_back(loss: Tensor, **options: Any) -> None:
        keep(f"{name}.{at['update']}.{at['step']}", STEP, sys._getframe(1).f_locals)
        at["step"] += 1
        backward(loss, **options)

    module.masked_whiten, trainer.accelerator.backward = whitening, going_back


def main(out: str) -> None:
    """Record all runs into one safetensors file."""
    with tempfile.TemporaryDirectory() as work:
        folder = make_base(Path(work) / "base")
        kept = {}
        for name, options in RUNS.items():
            kept |= record(folder, name, **options)
    save_file(kept, out, metadata={"trl": "1.12.0"})


if __name__ == "__main__":
    main(sys.argv[1])
