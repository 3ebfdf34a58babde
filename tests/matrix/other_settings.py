# SPDX-License-Identifier: Apache-2.0
"""Every setting of every kind of training and sampling at another value than its default: `python -m tests.matrix.other_settings`.

One run each on the tiny Llama. A setting works or is refused with a reason; the exit status is 1 if a run fails.
"""

from __future__ import annotations

import argparse
import tempfile
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import torch
from transformers.utils import logging

from data.errors import BadInput
from data.settings import Described, describe, parse_settings
from rlhf.common.library_warnings import silence_libraries
from rlhf.kinds import find_kind
from rlhf.runs import preflight
from tests.matrix.families import FAMILIES
from tests.matrix.verbs import SHORT, TRAINED, FamilyHome

FEW = {"validation_prompts": 2, "validate_every": 1, "max_steps": 1, "batch_size": 32, "epochs": 1}
RUNS: dict[str, dict[str, Any]] = {
    "sample": {"prompts": 4, **SHORT},
    "reward": {"labels": "import", "batch_size": 4, **TRAINED},
    "sft": {"batch_size": 4, **TRAINED},
    "dpo": {"labels": "import", "batch_size": 4, **TRAINED},
    "ppo": {"reward": "r1", **FEW, **SHORT},
    "rejection": {"reward": "r1", "n": 4, "rounds": 1, "prompts_per_round": 8, "batch_size": 4, **TRAINED, **SHORT},
    "best-of-n": {"reward": "r1", "n": 2, "validation_prompts": 4, **SHORT},
}
"""Settings of a short run of each kind, on the base p1 and the reward model r1."""
NAMES = (
    "from",
    "base",
    "reward",
    "guard",
    "against",
    "policies",
    "judge",
    "last_prompt",
    "last_comparison",
    "last_row",
)
"""Settings that name a model or are resolved when a run is queued."""
OWN = {"max_length": 64, "dual_clip": 3.0}
"""Values of settings whose other values would be refused."""


def other_values(setting: Described) -> Iterator[object]:
    """Yield every other choice, the other truth value, or one other number within the bounds."""
    if setting.key in OWN:
        yield OWN[setting.key]
        return
    kind, default = setting.type, setting.default
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        yield from (choice for choice in get_args(kind) if choice != default)
    elif kind is bool:
        yield not default
    elif kind is int:
        yield default // 2 if default > 1 else default + 1
    elif kind is float:
        yield default / 2 if default else 0.1


def try_settings(
    folder: Path, kinds: tuple[str, ...] = tuple(RUNS), only: Collection[str] | None = None
) -> dict[str, str]:
    """Do the runs; return "kind key=value" -> the error of each that failed, and print every refusal.

    `only`: the keys of the settings to try; None: all.
    """
    home = FamilyHome(folder, FAMILIES["Llama 3"].build(folder / "model"))
    home.run("reward", base=str(home.model), **RUNS["reward"])
    failed: dict[str, str] = {}
    for kind in kinds:
        for setting in describe(find_kind(kind).settings_class()):
            if setting.key in NAMES or (only is not None and setting.key not in only):
                continue
            for value in other_values(setting):
                line = f"{kind} {setting.key}={value}"
                try:
                    refuse(home, kind, {**RUNS[kind], setting.key: value})
                except BadInput as problem:
                    print(f"{line}: refused before it is queued: {problem.error}", flush=True)
                    continue
                try:
                    home.run(kind, **{**RUNS[kind], setting.key: value})
                except BadInput as problem:
                    print(f"{line}: refused late: {problem.error}", flush=True)
                except Exception as problem:  # the point of the program: any error of the libraries fails the setting
                    traceback.print_exc(limit=-6)
                    failed[line] = f"{type(problem).__name__}: {str(problem)[:300]}"
    home.store.close()
    return failed


def refuse(home: FamilyHome, kind: str, settings: dict[str, Any]) -> None:
    """Raise BadInput if such a run would not be queued."""
    parsed = parse_settings(find_kind(kind).settings_class(), settings)
    preflight.check(home.store, find_kind(kind), parsed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.matrix.other_settings", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*RUNS, []], help="only these (default: all)")
    args = parser.parse_args()
    silence_libraries()
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="settings-") as folder:
        failed = try_settings(Path(folder), tuple(args.kinds) or tuple(RUNS))
    for line, error in failed.items():
        print(f"{line}: FAILED: {error}")
    print(f"{len(failed)} settings failed")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
