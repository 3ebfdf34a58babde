# SPDX-License-Identifier: Apache-2.0
"""An online run as the store shows it: questions, answers and curves, written without any training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from data.clock import later, now
from data.records import Account, Pair, Run
from data.settings import as_dict, parse_settings
from data.store import Store
from data.tables.online_pairs import Arm, OnlineAnswer, OnlinePair, Rule
from data.tables.process_identity import identify_process
from rlhf.online.settings import OnlineSettings

ANSWER = OnlineAnswer(
    version=0,
    arm="random",
    rule="random",
    predicted=0.9,
    source="person",
    created_at="2026-01-01T12:00:00+00:00",
    labeler_id=1,
    pair_id=1,
    label=1.0,
    first_is_learner=True,
    newest=0,
)
"""An answer of the random arm that the reward model predicted."""
KEYS = ("labels", "kl", "held_out_loss", "reward")


class OnlineRunRows:
    """A running online run. `labeler` answers its questions; its policy wrote the first completion of each pair."""

    def __init__(self, store: Store, *, resumes: Run | None = None, **settings: object) -> None:
        self.store = store
        complete = as_dict(parse_settings(OnlineSettings, settings))
        self.run = store.runs.enqueue("online", complete, "rae", resumes=resumes.id if resumes else None)
        self.labeler = store.accounts.by_name("Mina") or store.accounts.add("Mina", "labeler")
        self.first = store.runs.lineage(self.run)[0].id
        self._numbers = count(store.prompts.count())

    def start(self) -> OnlineRunRows:
        """Let this process be the run's."""
        self.store.runs.start(self.run.id, *identify_process())
        return self

    def curve(self, step: int, values: Sequence[float]) -> None:
        """Log one update; `values` are those of KEYS."""
        self.store.metrics.log(self.run.id, step, dict(zip(KEYS, values, strict=True)))

    def publish(self, updates: int) -> None:
        """Publish the policy after so many updates."""
        self.store.policies.add(
            name=f"update {updates}", kind="online", base="b", run_id=self.run.id, config={"updates": updates}
        )

    def ask(self, count: int, rule: Rule = "start", version: int = 0) -> list[Pair]:
        """Return pairs that the run asks about. The reward model predicts the first completion with 0.8."""
        arm: Arm = "active" if rule == "variance" else "random"
        pairs = []
        for number in (next(self._numbers) for _ in range(count)):
            prompt = self.store.prompts.add(f"Write note {number}.", source="test")
            rows = [{"prompt_id": prompt.id, "model_name": name, "text": f"{name} {number}"} for name in ("a", "b")]
            pair = self.store.pairs.add(prompt.id, *self.store.completions.add_many(rows))
            asked = OnlinePair(prompt.id, pair.first_id, pair.second_id, version, arm, rule, 0.5, 0.8)
            self.store.online_pairs.record(self.first, [pair.id], [asked])
            pairs.append(pair)
        return pairs

    def answer(self, pair: Pair, verdict: str, *, source: str = "person", labeler: Account | None = None) -> None:
        """Answer a pair whose first completion is on the left."""
        person = labeler or self.labeler
        item = {"pair_id": pair.id, "labeler_id": person.id, "left_id": pair.first_id, "right_id": pair.second_id}
        id = f"online-{pair.id}-{person.id}"
        self.store.insert("assignments", {"id": id, **item, "expires_at": later(60), "created_at": now()})
        self.store.comparisons.record(id=id, assignment_id=id, verdict=verdict, source=source, **item)

    def fill(self) -> OnlineRunRows:
        """Let the run have every figure: answers of both arms by two labelers, curves, and pairs that wait."""
        self.answer_all("lllrlltlllrllllr" * 3, "start")
        other = self.store.accounts.by_name("Jun") or self.store.accounts.add("Jun", "labeler")
        for number, pair in enumerate(self.ask(24, "random", version=1)):
            self.answer(pair, "right" if number % 4 == 3 else "left")
            self.answer(pair, "right" if number % 5 == 4 else "left", labeler=other)
        self.answer_all("lrllrlllrl" * 4, "variance", version=2)
        for step in range(1, 6):
            self.curve(step, (24 + 8 * step, 0.3 * step, 0.69 - 0.02 * step, 0.1 * step))
        self.ask(16, "variance", version=5)
        self.publish(1)
        self.answer_all("llrlltllrlll", "start", version=4)
        self.publish(5)
        note = "64 labels to learn from; the next step begins at 72"
        self.store.runs.progress(self.run.id, 64, 72, note)
        return self

    def answer_all(self, verdicts: str, rule: Rule = "start", version: int = 0) -> None:
        """Ask and answer one pair for each letter: l for the left completion, r for the right one, t for a tie."""
        names = {"l": "left", "r": "right", "t": "tie"}
        for pair, letter in zip(self.ask(len(verdicts), rule, version), verdicts, strict=True):
            self.answer(pair, names[letter])
