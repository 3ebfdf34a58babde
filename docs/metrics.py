# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/metrics.md: `python -m docs.metrics`. The server's metrics come from its registry.

Curves of runs are logged by trainers of several libraries, so CURVES lists them. Tests run every kind on a tiny model
and compare the names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from data.store import Store
from data.transfer.scheduled_backups import ScheduledBackups
from docs.settings import cell
from labeling.http.metrics import ServerMetrics
from labeling.http.observation import AnsweredRequest
from rlhf.kinds import KINDS
from tests.support import ROOT

PAGE = ROOT / "docs" / "reference" / "metrics.md"
INTRODUCTION = """# Metrics

`make reference` writes this page from the code.

## The server

    preference-loop serve --metrics

`GET /metrics` answers in Prometheus's text format. It needs an API token of a researcher:
`preference-loop account token ada`. In Prometheus's configuration:

    scrape_configs:
      - job_name: preference-loop
        authorization: {credentials_file: /etc/prometheus/preference-loop.token}
        static_configs: [{targets: ["127.0.0.1:7860"]}]

A request updates two counters and reads nothing. A scrape reads indexes and running counts, at most every 5 seconds.
Status 499: the client left before the answer.
"""
RUNS = """## Runs

The page **Runs** draws these curves. `metrics.db` in the home holds every point: run, name, step, value. A step of PPO
is an update. A step of rejection sampling's rewards is a round. Any other is an optimizer step. The report of a run is
in `preference-loop runs show run4 --json`. Runs of `ab` and `quantity` draw the loss of each training. Other kinds draw
no curves.
"""
LOSS, RATE, NORM = "mean training loss", "learning rate", "norm of the gradient before clipping"
EPOCH = "passes over the rows so far"
STEPS = {"loss": LOSS, "learning_rate": RATE, "grad_norm": NORM}
FLOPS = {"total_flos": "floating-point operations, as transformers estimates them; once, at the end"}
AT_THE_END = {
    "train_loss": "mean loss of the whole run; once, at the end",
    "train_runtime": "seconds of training; once, at the end",
    "train_samples_per_second": "rows a second; once, at the end",
    "train_steps_per_second": "optimizer steps a second; once, at the end",
}
ROLLOUT = {
    "reward": "mean reward of the answers, in standard deviations of the start's answers",
    "kl": "mean KL from the start in nats per answer",
    "entropy": "mean entropy in nats per token",
    "length": "mean tokens of an answer",
    "ended": "share of answers with an end token",
}
CURVES = {
    "reward": STEPS
    | {
        "accuracy": "share of training pairs that the model orders as labeled",
        "margin": "mean difference of the better and the worse score",
    },
    "ppo": ROLLOUT
    | {f"eval_{name}": f"{meaning}; on the validation prompts" for name, meaning in ROLLOUT.items()}
    | {
        "eval_objective": "reward, or the guard's mean, minus KL at its first price: chooses the best policy",
        "people_win_rate": "people's win rate of the policy over its start, of all verdicts; with `people` only",
        "people_verdicts": "pairs that people have judged; with `people` only",
        "eval_gold": "mean rubric score of validation answers, which decides nothing; with the starter's prompts only",
        "eval_guard": "mean score by the guard; with a guard only",
        "kl_coef": "KL coefficient of the update",
        "kl_charged": "mean KL charged per answer; with `kl_estimator` k2 or k3 only",
        "policy_loss": "clipped policy loss",
        "value_loss": "clipped value loss; with a critic only",
        "approx_kl": "KL per token between the rollout's policy and the trained one (k3)",
        "ratio": "mean probability ratio of the trained policy and the rollout's",
        "clip_fraction": "share of tokens whose ratio was clipped",
        "value_clip_fraction": "share of values that were clipped; with a critic only",
        "explained_variance": "share of the returns' variance that the critic explains; with a critic only",
        "optimizer_steps": "optimizer steps taken in the update; with `target_kl` only",
        "sampler_difference": "mean difference of log-probabilities between sampler and trainer",
        "sampler_difference_max": "largest such difference",
        "sampler_kl": "mean KL per token of the sampler from the trainer (k3)",
        "sampler_ratio_max": "largest ratio of a token's probabilities by trainer and sampler",
        "sampler_outside": "share of tokens whose ratio of sampler and trainer is outside 0.9 to 1.1",
        "rollout_seconds": "seconds to sample, score and evaluate the rollout",
        "episodes_per_second": "answers a second, training included",
        "update": "number of the update",
    }
    | STEPS
    | AT_THE_END
    | FLOPS,
    "dpo": STEPS
    | {
        "accuracy": "share of training pairs in which the better answer gained more",
        "margin": "mean difference of both gains",
        "reward_chosen": "gain of the better answer's log-probability over the start, times beta",
        "reward_rejected": "the same of the worse answer",
        "eval_loss": "loss on held-out pairs",
        "eval_accuracy": "accuracy on held-out pairs",
        "eval_margin": "margin on held-out pairs",
    },
    "rejection": STEPS
    | {
        "sampled_reward": "mean reward of all answers of a round",
        "best_reward": "mean reward of the chosen answers of a round",
    },
    "best-of-n": {"best_of": "expected reward of the best of as many answers as the step says"},
    "sft": STEPS
    | {
        "entropy": "mean entropy in nats per token of the answers",
        "mean_token_accuracy": "share of answer tokens that are the most likely one",
        "num_tokens": "tokens read so far",
        "epoch": EPOCH,
    }
    | AT_THE_END,
    "pretrain": STEPS | {"epoch": EPOCH} | AT_THE_END,
}
"""Kind of run -> name of a curve -> meaning."""
for curves in CURVES.values():
    curves["seconds"] = "seconds since the run began, an axis of the plots"


def server_rows() -> Iterator[str]:
    """Yield the line of each metric of the server's own registry."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "home")
        metrics = ServerMetrics(store, ScheduledBackups(store, Path(folder) / "copies", 60, 1))
        metrics.observe(AnsweredRequest("GET", "/", 200, 0.0, None))  # a counter has labels once it has counted
        for family in metrics.registry.collect():
            if not family.name.startswith("process_"):
                labels = ",".join(name for name in family.samples[0].labels if name != "le")
                name = f"{family.name}_total" if family.type == "counter" else family.name
                shown = f"{name}{{{labels}}}" if labels else name
                yield f"| `{shown}` | {family.type} | {cell(family.documentation)} |"
        store.close()


def section(kind: str) -> str:
    """Return the heading and the table of a kind of run."""
    rows = [f"| `{name}` | {cell(meaning)} |" for name, meaning in CURVES[kind].items()]
    return "\n".join([f"### {KINDS[kind].title}", "", "| curve | meaning |", "| --- | --- |", *rows, ""])


def page() -> str:
    """Return the page."""
    process = "| `process_*` | gauge | memory, CPU seconds and open files of the server |"
    table = ["| metric | kind | meaning |", "| --- | --- | --- |", *server_rows(), process, ""]
    return "\n".join([INTRODUCTION, *table, RUNS, *map(section, CURVES)]).rstrip() + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
