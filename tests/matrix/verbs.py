# SPDX-License-Identifier: Apache-2.0
"""The verbs of the matrix on one family: the code of the runs, from store to store, and what the exports give back."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

from data import Store
from data.errors import BadInput
from data.run_context import RunContext
from data.settings import as_dict, parse_settings
from reward.base.frozen_base import Base
from reward.model import RewardModel
from rlhf.export import export_policy, export_reward_model
from rlhf.kinds import find_kind
from rlhf.probe.check import CheckRequest, check_model

VERBS = ("check", "sample", "sft", "reward", "ppo", "dpo", "rejection", "export", "merge", "read back")
SHORT = {"max_new_tokens": 6}
TRAINED = {"rank": 2, "max_steps": 2}
LABELED = 24
"""Prompts with an imported comparison, beside the sampled pairs."""
TOLERANCE = 1e-4
"""Largest difference of exported logits, relative to the largest."""


@dataclass(frozen=True)
class Cell:
    """The outcome of a verb: works, refused (by the check, with the reason) or failed."""

    state: str
    detail: str = ""


class FamilyHome:
    """A home with one family's base: prompts, instructions and imported comparisons, then what the verbs make."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        self.store = Store(folder / "home")
        self.policies: dict[str, str] = {}
        self.rewards: list[str] = []
        _fill(self.store, model)

    def run(self, kind: str, **settings: object) -> str:
        """Do a run of this kind; return the public id of what it produced."""
        chosen = parse_settings(find_kind(kind).settings_class(), settings)
        self.store.runs.enqueue(kind, as_dict(chosen), "test")
        context = RunContext(self.store, self.store.runs.claim())
        try:
            result = find_kind(kind).runner()(context, chosen)
        except Exception as problem:
            self.store.runs.finish(context.run.id, "failed", error=str(problem))
            raise
        self.store.runs.finish(context.run.id, "done", produced=result.produced, report=result.report)
        return result.produced[0] if result.produced else ""

    def made_by(self, verb: str) -> str:
        """Return the policy that a verb made. Raises BadInput if that verb failed."""
        if verb not in self.policies:
            raise BadInput(f"needs the policy of {verb}")
        return self.policies[verb]

    def reward_model(self, number: int) -> str:
        """Return a reward model by its number, -1 for the newest. Raises BadInput if none was trained."""
        if not self.rewards:
            raise BadInput("needs a reward model")
        return self.rewards[number]

    def check(self) -> None:
        """Refuse the family if the check refuses its base."""
        document = check_model(CheckRequest(str(self.model)))
        refused = [f"{line['name']}: {line['detail']}" for line in document["lines"] if line["state"] == "refused"]
        if refused:
            raise BadInput("; ".join(refused))

    def sample(self) -> None:
        """Sample two answers to each of 8 prompts, and label the pairs."""
        self.run("sample", prompts=8, per_prompt=2, test_share=0.0, batch_size=6, **SHORT)
        labeler = self.store.accounts.add("ana", "labeler")
        pairs = [pair for pair in self.store.pairs.all() if pair.run_id is not None]
        assert pairs, "two answers of a random model differ"
        for pair in pairs:
            _compare(self.store, pair.id, labeler.id, pair.first_id, pair.second_id)

    def sft(self) -> None:
        """Fine-tune the base, and then the policy that came of it."""
        for start in ("p1", "p2"):
            self.policies["sft"] = self.run("sft", **{"from": start}, batch_size=4, **TRAINED)

    def reward(self) -> None:
        """Train a reward model on the base, and one on the fine-tuned policy."""
        about = {"labels": "import", "batch_size": 4, **TRAINED}
        self.rewards.append(self.run("reward", base=str(self.model), **about))
        self.rewards.append(self.run("reward", **{"from": self.made_by("sft")}, **about))

    def ppo(self) -> None:
        """Train the fine-tuned policy by PPO for one update."""
        self.policies["ppo"] = self.run(
            "ppo",
            **{"from": self.made_by("sft")},
            reward=self.reward_model(0),
            max_steps=1,
            batch_size=32,
            epochs=1,
            validation_prompts=2,
            validate_every=1,
            **SHORT,
        )

    def dpo(self) -> None:
        """Train the fine-tuned policy by DPO."""
        self.policies["dpo"] = self.run(
            "dpo", **{"from": self.made_by("sft")}, labels="import", batch_size=4, **TRAINED
        )

    def rejection(self) -> None:
        """Train the fine-tuned policy by rejection sampling, on so many tokens that some answers of a random model end."""
        self.policies["rejection"] = self.run(
            "rejection",
            **{"from": self.made_by("sft")},
            reward=self.reward_model(-1),
            n=8,
            rounds=1,
            prompts_per_round=18,
            batch_size=4,
            **TRAINED,
            max_new_tokens=32,
        )

    def export(self) -> None:
        """Export a policy and a reward model as adapters."""
        export_policy(self.store, self.made_by("ppo"), self.folder / "policy")
        export_reward_model(self.store, self.reward_model(-1), self.folder / "reward")

    def merge(self) -> None:
        """Export both as whole models."""
        export_policy(self.store, self.made_by("ppo"), self.folder / "policy-merged", merge=True)
        export_reward_model(self.store, self.reward_model(-1), self.folder / "reward-merged", merge=True)

    @torch.no_grad()
    def read_back(self) -> None:
        """Load the exports in plain transformers and PEFT; their logits and scores are the same."""
        self.made_by("ppo")
        base = Base.load(self.model)
        base.add_adapter("policy", self.folder / "policy")
        ids = torch.tensor([base.encode_prompt("Name two animals.")])
        with base.role("policy"):
            expected = base.logits(base.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
        plain = AutoModelForCausalLM.from_pretrained(self.model, dtype=torch.float32)
        wrapped = PeftModel.from_pretrained(plain, self.folder / "policy").eval()
        _equal("the adapter in PEFT", wrapped(input_ids=ids).logits, expected)
        merged = AutoModelForCausalLM.from_pretrained(self.folder / "policy-merged", dtype=torch.float32).eval()
        _equal("the merged policy", merged(input_ids=ids).logits, expected)
        self._read_reward()

    def _read_reward(self) -> None:
        """Compare the exported reward models with the stored one, on an answer with its end token."""
        record = self.store.reward_models.get(self.reward_model(-1))
        model = RewardModel.load(self.store.home / record.adapter, record.base)
        answer = model.base.encode_completion("a fox and a lamp")
        prompt = model.base.encode_prompt("Name two animals.")
        expected = model.raw_scores([prompt], [answer])
        exported = RewardModel.load(self.folder / "reward").raw_scores([prompt], [answer])
        _equal("the exported reward model", exported, expected)
        config = AutoConfig.from_pretrained(self.folder / "reward-merged")
        if type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
            merged = AutoModelForSequenceClassification.from_pretrained(
                self.folder / "reward-merged", dtype=torch.float32
            ).eval()
            _equal("the merged reward model", merged(input_ids=torch.tensor([prompt + answer])).logits[0], expected)


def try_verbs(folder: Path, model: Path) -> dict[str, Cell]:
    """Do every verb on a base in a fresh home, in order; a family that the check refuses does none."""
    home = FamilyHome(folder, model)
    cells: dict[str, Cell] = {}
    for verb in VERBS:
        if cells and cells["check"].state == "refused":
            cells[verb] = Cell("refused")
            continue
        cells[verb] = _try(getattr(home, verb.replace(" ", "_")), refusing=verb == "check")
    home.store.close()
    return cells


def _try(verb: Callable[[], None], *, refusing: bool) -> Cell:
    try:
        verb()
    except BadInput as problem:
        return Cell("refused" if refusing else "failed", problem.error)
    except Exception as problem:  # the point of the matrix: any error of the libraries fails the cell
        traceback.print_exc(limit=-6)
        return Cell("failed", f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}"[:300])
    return Cell("works")


def _equal(what: str, ours: torch.Tensor, expected: torch.Tensor) -> None:
    share = float((ours - expected).abs().max() / expected.abs().max())
    assert share <= TOLERANCE, f"{what} differs by {share:.2g} of the largest value"


def _fill(store: Store, model: Path) -> None:
    """Add the base, instruction rows, and prompts with an imported comparison of two texts each."""
    store.policies.add(name="base", kind="base", base=str(model))
    mina = store.accounts.add("mina", "labeler")
    with store.transaction():
        for number in range(LABELED):
            task = f"Write note number {number} to Mina."
            texts = (f"Dear Mina, thank you for book {number}.", f"no. I do not care {number}.")
            store.instructions.add(task, texts[0], source="test")
            prompt = store.prompts.add(task, source="test")
            answers = [{"prompt_id": prompt.id, "model_name": "a person", "text": text} for text in texts]
            good, bad = store.completions.add_many(answers)
            _compare(store, store.pairs.add(prompt.id, good, bad).id, mina.id, good, bad)


def _compare(store: Store, pair: int, labeler: int, left: str, right: str) -> None:
    store.comparisons.record(
        id=f"c{pair}", pair_id=pair, labeler_id=labeler, left_id=left, right_id=right, verdict="left", source="import"
    )
