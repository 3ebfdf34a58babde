# SPDX-License-Identifier: Apache-2.0
"""Write docs/planning.md, what fits which machine, from the memory estimate: `python -m docs.planning`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from data.settings import parse_settings
from reward.gpu_need import GATHERED, cheapest_fit
from reward.model_shape import ModelShape
from rlhf.kinds import KINDS
from rlhf.runs.workloads import COUNTERS, Lengths
from tests.support import ROOT

PAGE = ROOT / "docs" / "planning.md"
PROMPT, TOKENS, RANK = 256, 1024, 16
MACHINES = ((1, 24), (1, 80), (8, 80))
"""GPUs of a machine, and the GB of each."""
FULL, FROZEN = 16, 2
"""Bytes of a weight in bf16: trained (weight, gradient, float32 copy, two moments), and frozen."""
OTHERS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "OpenRLHF, full": {"dpo": (1, 1), "ppo": (2, 3)},
    "OpenRLHF, LoRA": {"dpo": (0, 2), "ppo": (0, 5)},
    "verl, full": {"ppo": (2, 3)},
    "verl, LoRA": {"ppo": (0, 4)},
}
"""Whole copies of the model that are trained and that are frozen, those of the sampler included."""


def dense_shape(
    layers: int, width: int, inner: int, heads: int, key_heads: int, vocabulary: int, *, tied: bool = False
) -> ModelShape:
    """Return the shape of a decoder of Llama's or Qwen3's kind, whose heads have 128 numbers."""
    queries, keys = 128 * heads, 128 * key_heads
    matrices = [(queries, width), (keys, width), (keys, width), (width, queries)]
    matrices += [(inner, width), (inner, width), (width, inner)]
    layer = layers * sum(rows * columns for rows, columns in matrices)
    return ModelShape(
        layers=layers,
        width=width,
        inner=inner,
        attention_width=queries,
        cache_width=2 * keys,
        vocabulary=vocabulary,
        context=0,
        weights=layer + (1 if tied else 2) * vocabulary * width,
        layer_weights=layer,
        lora_width=layers * sum(map(sum, matrices)),
    )


SHAPES = {
    "0.6B": dense_shape(28, 1024, 3072, 16, 8, 151_936, tied=True),
    "1.7B": dense_shape(28, 2048, 6144, 16, 8, 151_936, tied=True),
    "4B": dense_shape(36, 2560, 9728, 32, 8, 151_936, tied=True),
    "8B": dense_shape(36, 4096, 12_288, 32, 8, 151_936),
    "14B": dense_shape(40, 5120, 17_408, 40, 8, 151_936),
    "32B": dense_shape(64, 5120, 25_600, 64, 8, 151_936),
    "70B": dense_shape(80, 8192, 28_672, 64, 8, 128_256),
}
"""The public shapes of Qwen3, and of Llama 3.1 70B."""
TITLES = {"sft": "SFT", "reward": "reward model", "dpo": "DPO", "ppo": "PPO"}
INTRODUCTION = f"""# What fits which machine

`make reference` writes this page from the code. **All numbers are estimates**: formulas, not measurements. The form
on the Runs page uses the same function. It takes the base, the settings and the longest rows of your home.

A cell has the peak of a run on each GPU in GB and the first settings that fit. They are tried in this order: the
[strategies](how-to/several-gpus.md) `ddp` and `sharded`, for PPO `sharded` with
[`rollouts`](how-to/served-rollouts.md), then all of them with `gradient_checkpointing`. All runs have
`dtype=bfloat16`, `rank={RANK}` and `per_device_batch_size=1`; other settings have their defaults. Rows have {TOKENS:,}
tokens, and a prompt of PPO has {PROMPT}. The reward model is an adapter on the policy's base. Bases have the public
shapes of Qwen3, and the 70B one that of Llama 3.1.

With `rollouts` the vLLM servers have GPUs of their own, which no number contains. A server with tensor parallelism over
M GPUs takes 2/M bytes a weight on each of them, and its cache. It fits the same GPUs if both numbers together do.
"""
FORMULAS = f"""## Formulas

| part | bytes on each of N GPUs |
| --- | --- |
| weights, `ddp` | 2 a weight |
| weights, `sharded` | layers: 2/N a weight, and {GATHERED} whole layers; all others: 2 a weight |
| weights, `sharded`, while a run samples in its own processes | 2 a weight; of the layers 2/N more |
| adapters | 4 for each of rank x (rows + columns) of every matrix, for each role |
| optimizer | 12 a trained number: a gradient and AdamW's two moments in float32 |
| activations, cache, logits | those of the largest phase, as the estimate before a run counts them |

The peak is that of the largest phase. What CUDA takes for itself is not counted. Phases of PPO take fewer rows if
memory is short. PPO that samples in its own processes gathers a sharded base for it, beside its part. No other run
does. So a base that does not fit one GPU is trained with `sharded`, and PPO of it needs `rollouts`.

On a CPU the estimate was compared with [measured peaks](notes/measurements.md#memory-before-a-run).

## OpenRLHF and verl

The last table has the *states* alone, on each of 8 GPUs, in GB: weights, gradients and moments, divided evenly by
ZeRO-3 or FSDP. Activations and the cache come on top, while the numbers above contain them.

A trained weight takes {FULL} bytes: 2 for itself, 2 for its gradient, 4 for a float32 copy, 8 for Adam's moments
([Rajbhandari et al. 2020](https://arxiv.org/abs/1910.02054), section 3.1). A frozen weight takes {FROZEN}. These are
the trained and frozen copies of the model:

| | DPO | PPO |
| --- | --- | --- |
| OpenRLHF, full | 1 + 1 (reference) | 2 + 3 (actor, critic; reference, reward, sampler) |
| OpenRLHF, LoRA | 0 + 2 | 0 + 5: each of the five has a copy of its own |
| verl, full | no trainer known | 2 + 3 |
| verl, LoRA | no trainer known | 0 + 4: the reference is the actor without its adapter |

SFT and a reward model take one copy in both: {FULL} bytes a weight, or {FROZEN} with a LoRA.

Sources: OpenRLHF's commands `train_ppo_ray` and `train_dpo` make a model for each role. verl's PPO trainer sets
`ref_in_actor` with a LoRA. The sampler is vLLM with tensor parallelism over the GPUs. LoRA's own
numbers are left out: they are below 2 % of the weights. Here all roles of PPO are adapters on
one base, and the sampler reads the same weights.
"""


def cell(kind: str, shape: ModelShape, gpus: int, gigabytes: int) -> str:
    """Return the first settings of a kind of run that fit, with the peak in GB on each GPU."""
    given = {"rank": RANK, "per_device_batch_size": 1} | ({"max_new_tokens": TOKENS - PROMPT} if kind == "ppo" else {})
    for checkpointing in (False, True):
        settings = parse_settings(KINDS[kind].settings_class(), given | {"gradient_checkpointing": checkpointing})
        work = COUNTERS[kind](settings, Lengths(lambda: PROMPT, lambda: TOKENS, lambda: TOKENS))
        if fit := cheapest_fit(shape, work, gpus=gpus, gigabytes=gigabytes):
            return f"{fit.gigabytes:.0f} {fit.strategy}{', checkpointing' if checkpointing else ''}"
    return "no"


def states(shape: ModelShape, copies: tuple[int, int], gpus: int) -> str:
    """Return the GB on each GPU of so many trained and frozen copies of a model."""
    trained, frozen = copies
    return f"{shape.weights * (FULL * trained + FROZEN * frozen) / gpus / 1e9:.0f}"


def table(titles: Iterable[str], row: Callable[[ModelShape], Iterable[str]]) -> list[str]:
    """Return a table with a line for each base."""
    lines = [("base", *titles), *((name, *row(shape)) for name, shape in SHAPES.items())]
    drawn = [f"| {' | '.join(cells)} |" for cells in lines]
    return [drawn[0], "|" + " --- |" * len(lines[0]), *drawn[1:], ""]


def page() -> str:
    """Return the page."""
    lines = [INTRODUCTION]
    for gpus, gigabytes in MACHINES:
        lines += [f"## {gpus} x {gigabytes} GB", ""]
        lines += table(TITLES.values(), lambda shape, at=(gpus, gigabytes): [cell(kind, shape, *at) for kind in TITLES])
    others = [(name, kind, copies) for name, kinds in OTHERS.items() for kind, copies in kinds.items()]
    titles = [f"{name}: {TITLES[kind]}" for name, kind, _ in others]
    lines += [FORMULAS, *table(titles, lambda shape: [states(shape, copies, 8) for *_, copies in others])]
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
