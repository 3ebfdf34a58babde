# SPDX-License-Identifier: Apache-2.0
"""Build the starter: `python -m rlhf.starter [--tiny] [--out FOLDER] [--home FOLDER]`.

It generates prompts and instruction rows. It trains the base like `train pretrain` and the adapter like `train sft`,
as runs of a home; a finished run is not repeated. A card with ten unselected samples goes beside the weights.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from data import Store, starter
from data.errors import BadInput
from data.records import Prompt
from data.settings import as_dict
from data.starter import corpus, rubric
from reward.base.frozen_base import Base
from reward.base.machine import library_versions
from rlhf.kinds import KINDS
from rlhf.runs.worker import work
from rlhf.sampling.policy_answers import AnswerSampler, DrawRequest, SamplingLimits
from rlhf.settings import PretrainSettings, SFTSettings


@dataclass(frozen=True, slots=True)
class StarterSize:
    """The size of a starter."""

    pretrain: PretrainSettings
    sft: SFTSettings
    prompts: dict[str, int]
    instructions: int


FULL = StarterSize(PretrainSettings(), SFTSettings(), {"train": 2000, "validation": 200, "test": 400}, 10_000)
TINY = StarterSize(
    PretrainSettings(max_steps=4, hidden_size=32, layers=2, vocab_size=400, heads=2, batch_size=4),
    SFTSettings(max_steps=2, rank=2, batch_size=4),
    {"train": 12, "validation": 4, "test": 4},
    20,
)
SEED = 20261122


def build(size: StarterSize, out: Path, home: Path) -> dict:
    """Write every file of the starter under `out`; return the card's content."""
    out.mkdir(parents=True, exist_ok=True)
    starter.write_rows(out / "prompts.jsonl.gz", corpus.prompts(size.prompts, SEED))
    rows = corpus.instruction_rows(size.instructions, SEED + 1)
    starter.write_rows(out / "instructions.jsonl.gz", rows)
    store = Store(home)
    store.instructions.add_many(
        {name: row[name] for name in ("instruction", "input", "output")} | {"source": "starter"} for row in rows
    )
    pretrain_report = _run(store, "pretrain", size.pretrain)
    _ship_base(store.home / pretrain_report["folder"], out / "base")
    sft_report = _run(store, "sft", size.sft)
    _ship_adapter(store.home / store.policies.all()[-1].adapter, out / "sft")
    card = _card(size, pretrain_report, sft_report, rows, _samples(store, out))
    (out / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "README.md").write_text(_readme(card), encoding="utf-8")
    return card


def _run(store: Store, kind: str, settings: PretrainSettings | SFTSettings) -> dict:
    """Return the report of the home's finished run of that kind; without one, do the run now."""
    done = [run for run in store.runs.all("done") if run.kind == kind]
    if done:
        return done[0].report
    run = store.runs.enqueue(kind, as_dict(settings), "starter")
    store.runs.claim()
    if work(store, store.runs.get(run.id), KINDS[kind]) != "done":
        raise BadInput(f"{run.public} failed: {store.runs.get(run.id).error}", f"See {store.home}/runs/{run.id}.")
    return store.runs.get(run.id).report


def _ship_base(folder: Path, out: Path) -> None:
    """Copy the base's folder to `out`."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(folder, out)


def _ship_adapter(folder: Path, out: Path) -> None:
    """Write the adapter in bfloat16, without the path of its base."""
    out.mkdir(parents=True, exist_ok=True)
    weights = load_file(folder / "adapter_model.safetensors")
    halved = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
    save_file(halved, out / "adapter_model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    (out / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": "starter"}, indent=1) + "\n", encoding="utf-8"
    )


def _samples(store: Store, out: Path) -> list[dict]:
    """Return one answer to each of the first ten test prompts, at temperature 1, not selected."""
    base = Base.load(out / "base")
    base.add_adapter("sft", out / "sft")
    sampler = AnswerSampler(store.policies.all()[-1], base, "sft")
    rows = [row for row in starter.read_rows(out / "prompts.jsonl.gz") if row["split"] == "test"][:10]
    prompts = [
        Prompt(number, row["prompt"], None, "test", "starter", row["family"], row["facts"])
        for number, row in enumerate(rows)
    ]
    requests = [DrawRequest(prompt.id, sampler.encode(prompt), 0) for prompt in prompts]
    answers = sampler.draw(requests, SamplingLimits(max_new_tokens=80, batch_size=16), SEED)
    return [
        {
            "prompt": row["prompt"],
            "answer": answer.text,
            "gold": round(starter.gold(row["facts"], answer.text, answer.ended), 2),
        }
        for row, answer in zip(rows, answers, strict=True)
    ]


def _card(size: StarterSize, pretrain_report: dict, sft_report: dict, rows: list[dict], samples: list[dict]) -> dict:
    documents = size.pretrain.max_steps * size.pretrain.batch_size
    return {
        "corpus_version": corpus.VERSION,
        "rubric_version": rubric.VERSION,
        "hash": starter.source_hash(),
        "seed": SEED,
        "documents": documents,
        "parameters": pretrain_report["parameters"],
        "held_out_loss": pretrain_report["held_out_loss"],
        "pretrain": as_dict(size.pretrain),
        "sft": as_dict(size.sft),
        "seconds": {"pretrain": pretrain_report["seconds"], "sft": sft_report["seconds"]},
        "prompts": size.prompts,
        "instructions": len(rows),
        "defective": round(sum(bool(row["defects"]) for row in rows) / len(rows), 3),
        "versions": library_versions(),
        "samples": samples,
    }


def _readme(card: dict) -> str:
    samples = "\n".join(f"> **{s['prompt']}**\n> {s['answer']} *(gold {s['gold']})*\n" for s in card["samples"])
    defects = "curt, rude, wrong, off topic, unfinished, repeating, rambling"
    prompts = ", ".join(f"{count:,} {split}" for split, count in card["prompts"].items())
    seeds = f"{card['seed']} for prompts, rows and samples; {card['pretrain']['seed']} for pre-training; "
    seeds += f"{card['sft']['seed']} for tuning"
    return f"""# The starter

A Llama of {card["parameters"]:,} parameters, trained from scratch on text that `data/starter/corpus.py` generates,
and a LoRA adapter tuned on instruction rows. It knows {len(rubric.CHECKS)} families of everyday tasks and nothing
else. It lets the whole loop run on a laptop; it is not meant to be useful.

| | |
| --- | --- |
| documents seen | {card["documents"]:,}, none of them twice; held-out loss {card["held_out_loss"]} nats per token |
| instruction rows | {card["instructions"]:,}, {card["defective"]:.0%} with a marked defect ({defects}) |
| prompts | {prompts}; test prompts use names and things that no training text contains |
| seconds to build | {card["seconds"]["pretrain"]:,} pre-training, {card["seconds"]["sft"]:,} tuning |
| corpus, rubric | version {card["corpus_version"]}, version {card["rubric_version"]}, hash {card["hash"]} |
| seeds | {seeds} |
| versions | {", ".join(f"{name} {version}" for name, version in card["versions"].items())} |

Most answers of the corpus are followed by a reader's comment ("It fits. Very kind."), as on forum pages. The base has
therefore learned to judge, at an answer's end token, whether the answer fits its prompt. A reward model trained on this
base needs few labels to learn that; a base without such pages needs more.

Weights are bfloat16 safetensors. Everything here is made by `python -m rlhf.starter`, licence Apache-2.0.

## Ten samples, not selected

The first ten test prompts, one answer each at temperature 1.

{samples}"""


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m rlhf.starter", description="Build the starter's data and weights.")
    parser.add_argument("--tiny", action="store_true", help="a few steps of a very small model, to try the program")
    parser.add_argument(
        "--out", type=Path, default=starter.FOLDER, help="folder for the files (default: the shipped folder)"
    )
    parser.add_argument(
        "--home", type=Path, help="home of the two runs, whose finished runs are reused (default: a temporary one)"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        card = build(TINY if args.tiny else FULL, args.out, args.home or Path(temporary))
    print(json.dumps({name: card[name] for name in ("held_out_loss", "seconds", "hash")}))


if __name__ == "__main__":
    main()
