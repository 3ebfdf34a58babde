# SPDX-License-Identifier: Apache-2.0
"""Reward of a known rule against episodes, ours and TRL 1.12's, the same small model and KL price on both sides.

The rule: the share of an answer's words whose number is even. Chance is one half; the policy, a random Llama, starts there.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from tests.bench.figures import ROOT
from tests.bench.ppo.against_trl import trl_folder
from tests.bench.ppo.world import EPISODES, PAD, Case, prompts, save_base

SHAPE = {
    "layers": 2,
    "hidden": 64,
    "words": 64,
    "spread": 0.2,
}  # with weights of deviation 0.02 no policy could tell words apart
ANSWER, UPDATES = 16, 40
RATES = {"ours": 1e-2, "theirs": 1e-2}
"""Learning rates: the best of 1e-3, 3e-3, 1e-2 and 2e-2 on tuning seeds, by the mean over the whole run; ours gains hardly more at 2e-2."""
SHARED = {"kl_coef": 0.01, "vf_coef": 0.1, "cliprange": 0.2, "cliprange_value": 0.2, "gamma": 1.0, "lam": 0.95}
LAST = 5
"""Updates whose mean stands for the end of a run."""
SEEDS = (101, 102, 103, 104, 105)


def even_words(prompts: list, completions: list[str]) -> list[float]:
    """The rule."""
    words = [[word for word in text.split() if word != PAD] for text in completions]
    return [sum(int(word[1:]) % 2 == 0 for word in answer) / max(1, len(answer)) for answer in words]


def ours(folder: Path, *, seed: int) -> dict:
    """One run of ours, adapters in every layer: mean reward of each update's answers, and whether it collapsed."""
    from transformers import PrinterCallback

    from reward.base.frozen_base import Base
    from rlhf.ppo.trainer import PPOTrainer
    from tests.bench.ppo.ours import config, lora

    base, case = Base.load(save_base(folder / "base", **SHAPE)), Case("ours")
    given = {"kl_target": None, "standardize_reward": False, "missing_eos_penalty": 0.0, "max_new_tokens": ANSWER}
    args = config(case, str(folder / "run"), UPDATES, seed=seed, learning_rate=RATES["ours"], **SHARED, **given)
    rows = [{"prompt": text} for text in prompts(seed, words=SHAPE["words"])]
    trainer = PPOTrainer(base, even_words, args, train_dataset=rows, peft_config=lora(case, base))
    trainer.remove_callback(PrinterCallback)  # it prints to where the figure is printed
    trainer.train()
    return summary([round(line["reward"], 4) for line in trainer.state.log_history if "reward" in line])


def theirs(folder: Path, *, seed: int) -> dict:
    """The same of TRL 1.12, tuned, in a process of its own."""
    base = save_base(folder / "base", **SHAPE)
    quiet = {"PYTHONPATH": str(trl_folder()), "TRL_EXPERIMENTAL_SILENCE": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "tests.bench.ppo.curve_theirs", str(base), str(seed)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | quiet,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    return summary(json.loads(done.stdout.splitlines()[-1]))


def summary(rewards: list[float]) -> dict:
    """Collapsed: the end is below the start, or has lost a fifth of the most that five updates in a row ever gained."""
    means = [statistics.mean(rewards[at : at + LAST]) for at in range(len(rewards) - LAST + 1)]
    gained, kept = max(means) - rewards[0], means[-1] - rewards[0]
    return {
        "episodes": EPISODES * len(rewards),
        "mean": round(statistics.mean(rewards), 4),
        "last": round(means[-1], 4),
        "collapsed": kept < 0 or kept < 0.8 * gained,
        "rewards": rewards,
    }


def curves(folder: Path) -> dict:
    """Five seeds of each, in turn."""
    found = [
        {side.__name__: side(folder / f"{side.__name__}-{seed}", seed=seed) for side in (ours, theirs)}
        for seed in SEEDS
    ]
    return {"shared": SHARED, "learning_rates": RATES} | {
        name: {
            "mean": round(statistics.mean(run[name]["mean"] for run in found), 4),
            "last": [run[name]["last"] for run in found],
            "collapsed": sum(run[name]["collapsed"] for run in found),
            "curve": [
                round(statistics.mean(each), 4) for each in zip(*(run[name]["rewards"] for run in found), strict=True)
            ],
        }
        for name in ("ours", "theirs")
    }
