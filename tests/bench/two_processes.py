# SPDX-License-Identifier: Apache-2.0
"""SFT, DPO, reward training and sampling in one process and in two, in turn, with one thread each.

Both do the same work on the starter: the same rows in a step, the same prompts. A time begins when both processes are ready and ends when the
last one is done; loading is not in it. `ratio` is the median over the rounds of one process's seconds by two's, of the same round. It is below 2
by what the processes wait for each other, and by what two cores share: memory, caches, clock.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from tests.support import ROOT

TWO = ROOT / "docs" / "accelerate" / "two-cpus.yaml"
ROUNDS, STEPS, ANSWERS, LENGTH = 2, 12, 256, 64
WORKS = ("sft", "dpo", "reward", "sampling")
SEED = 0


def two_processes(home: Path, *, rounds: int = ROUNDS, steps: int = STEPS, answers: int = ANSWERS) -> dict:
    """Seconds of each work in one and in two processes, and the ratio."""
    lines = [
        [json.loads(measured(home / f"{number}-{processes}", processes, steps, answers)) for processes in (1, 2)]
        for number in range(rounds)
    ]
    found: dict = {"cores": len(os.sched_getaffinity(0)), "rounds": rounds, "steps": steps, "answers": answers}
    for name in WORKS:
        one, two = ([line[side][name] for line in lines] for side in (0, 1))
        ratio = statistics.median(alone / shared for alone, shared in zip(one, two, strict=True))
        found[name] = {"one": statistics.median(one), "two": statistics.median(two), "ratio": round(ratio, 2)}
    return found


def measured(folder: Path, processes: int, steps: int, answers: int) -> str:
    """Return the line that so many processes print."""
    folder.mkdir(parents=True)
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "accelerate.commands.launch", "--config_file", str(TWO)]
    command += ["-m", "tests.bench.two_processes", str(folder), str(steps), str(answers)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[-1]


def main(folder: Path, steps: int, answers: int) -> None:
    """Do all works, and print the seconds of each in the main process."""
    import torch

    from reward.base import distributed
    from rlhf.common.library_warnings import silence_libraries

    silence_libraries()
    torch.set_num_threads(1)
    if "RANK" in os.environ:
        distributed.connect("cpu")
    seconds = {name: timed(MAKERS[name](folder / name, steps, answers)) for name in WORKS}
    distributed.barrier()
    if distributed.rank() == 0:
        print(json.dumps(seconds), flush=True)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds from the first moment when all processes are ready to the end of the last one."""
    from reward.base import distributed

    distributed.barrier()
    began = time.perf_counter()
    work()
    distributed.barrier()
    return round(time.perf_counter() - began, 2)


def trained(trainer) -> Callable[[], object]:  # noqa: ANN001 (torch is loaded where it is needed)
    """Return the training of a trainer without its printed lines."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer.train


def make_sft(folder: Path, steps: int, _: int) -> Callable[[], object]:
    """A LoRA on the shipped instruction rows."""
    from data.starter import INSTRUCTIONS, read_rows
    from reward.base.frozen_base import Base
    from rlhf.methods.sft import build_trainer
    from rlhf.methods.sft_rows import tokenize
    from rlhf.settings import SFTSettings

    base, settings = Base.load("starter"), SFTSettings(max_steps=steps)
    rows = list(islice(read_rows(INSTRUCTIONS), steps * settings.batch_size))
    data, _skipped = tokenize(base, [row["instruction"] for row in rows], [row["output"] for row in rows])
    return trained(build_trainer(folder, settings, base.causal, base, data))


def make_dpo(folder: Path, steps: int, _: int) -> Callable[[], object]:
    """A LoRA on pairs of a shipped answer and that of another row."""
    from reward.base.frozen_base import Base
    from rlhf.methods.dpo import EncodedComparison, build_trainer
    from rlhf.settings import DPOSettings

    base, settings = Base.load("starter"), DPOSettings(max_steps=steps)
    pairs = [
        EncodedComparison(number, base.encode_prompt(prompt), *map(base.encode_completion, answers))
        for number, (prompt, *answers) in enumerate(three_texts(steps * settings.batch_size))
    ]
    return trained(build_trainer(folder, settings, base, base.causal, pairs))  # type: ignore[arg-type]


def make_reward(folder: Path, steps: int, _: int) -> Callable[[], object]:
    """A LoRA reward model on the same pairs."""
    from reward.base.frozen_base import Base
    from reward.settings import RewardSettings
    from reward.training.fit import Start, build_trainer
    from reward.training.rows import RowEncoder
    from tests.bench.reward_speed import instructions

    base, settings = Base.load("starter"), RewardSettings(max_steps=steps)
    items = [
        {"instruction": prompt, "input": "", "chosen": chosen, "rejected": rejected}
        for prompt, chosen, rejected in three_texts(steps * settings.batch_size)
    ]
    rows = RowEncoder(base).encode(instructions(items))
    return trained(build_trainer(folder, settings, base, Start("starter", None), rows))  # type: ignore[arg-type]


def three_texts(count: int) -> list[tuple[str, str, str]]:
    """Return prompts of the starter, each with its answer and that of the next row."""
    from data.starter import INSTRUCTIONS, read_rows

    rows = list(islice(read_rows(INSTRUCTIONS), count + 1))
    return [(row["instruction"], row["output"], other["output"]) for row, other in zip(rows, rows[1:], strict=False)]


def make_sampling(_folder: Path, _steps: int, answers: int) -> Callable[[], object]:
    """Answers of the shipped policy; each process draws its share."""
    import torch

    from data.starter import PROMPTS, SFT, read_rows
    from reward.base import distributed
    from reward.base.frozen_base import Base
    from rlhf.sampling.sampler import draw_uniforms, generate

    base = Base.load("starter")
    base.add_adapter("policy", SFT)
    asked = [base.encode_prompt(row["prompt"]) for row in islice(read_rows(PROMPTS), answers)]

    def draw(numbers: list[int]) -> list[list[int]]:
        noise = draw_uniforms(SEED, 0, numbers, LENGTH)
        with base.role("policy"), torch.no_grad():
            return generate(base, [asked[n] for n in numbers], noise, max_new_tokens=LENGTH, batch_size=64).ids

    return lambda: distributed.map_shards(draw, list(range(len(asked))))


MAKERS = {"sft": make_sft, "dpo": make_dpo, "reward": make_reward, "sampling": make_sampling}

if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
