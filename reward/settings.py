"""What a run that trains a reward model can be told; importable without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from reward.prompt_parts import ALL

LARGEST_SEED = 2**32 - 1
"""What numpy's generator takes."""


def _option(default: Any, help: str, **about: Any) -> Any:
    return field(default=default, metadata={"help": help, **about})


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """A LoRA reward model trained on the stored comparisons. The defaults are the recipe that was measured to work."""

    labels: str = _option(
        "person+import",
        "whose labels: person, import, simulated, several joined by +, or all; +gold adds gold items",
        main=True,
    )
    from_: str = _option("", "policy whose weights it starts from (p2); empty: the bare base model", main=True)
    epochs: int = _option(1, "a second one mostly memorises the noise", unit="epochs", main=True, min=1, max=100)
    learning_rate: float = _option(
        1e-3, "of AdamW; a tenth of it hardly learns in one epoch", main=True, min=0.0, max=1.0
    )
    seed: int = _option(0, "same seed, same reward model", main=True, min=0, max=LARGEST_SEED)
    snapshot: str = _option("", "train on a frozen set of comparisons (s2) instead of the current ones")
    part: str = _option(
        ALL, "part of the training prompts it learns from, by hash; models of 0-0.5 and of 0.5-1 have none in common"
    )
    weights: Literal["equal", "reliability"] = _option(
        "equal",
        "equal: every comparison counts alike; reliability: a labeler's count by how well they agree with others and with gold",
    )
    members: int = _option(
        1,
        "reward models trained one after the other, which score as one with a deviation",
        unit="members",
        min=1,
        max=16,
    )
    likelihood: Literal["bradley-terry", "rao-kupper", "graded"] = _option(
        "graded",
        "what a label says: bradley-terry a winner, a tie half for each; rao-kupper ties as an outcome of their own; graded every grade",
    )
    label_smoothing: float = _option(0.0, "share of labels that are taken to point the wrong way", min=0.0, max=0.5)
    centring: float = _option(
        0.0, "weight of the squared sum of two compared scores, which keeps their mean near 0; 0.01 is usual", min=0.0
    )
    rank: int = _option(16, "of the LoRA matrices", min=1, max=1024)
    batch_size: int = _option(
        8,
        "pairs per step, on average where a ranking is one batch element; 16 learn less of few labels",
        unit="pairs",
        min=1,
    )
    max_steps: int = _option(0, "stop after this many steps; 0: all epochs", unit="steps", min=0)
    curve: bool = _option(
        False, "also train on 1/8, 1/4 and 1/2 of the labels, to see what more would bring; nearly doubles the time"
    )
    base: str = _option(
        "", "without `from`: the base (starter, a folder, a downloaded hub id); empty: the newest policy's"
    )
