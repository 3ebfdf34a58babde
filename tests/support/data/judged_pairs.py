# SPDX-License-Identifier: Apache-2.0
"""Blind pairs of a new policy against its parent as a sampling run queues them, written without any model."""

from __future__ import annotations

import itertools

from data.records import Pair, Policy
from data.settings import as_dict
from data.splits import split_of
from data.store import Store
from data.tables.online_pairs import OnlinePair
from labeling.session import Answer, Session
from rlhf.settings import SampleSettings


class JudgedPairs:
    """`count` pairs of the policy `new` against its parent `old`, on as many test prompts."""

    def __init__(self, store: Store, count: int) -> None:
        self.store = store
        base = {"base": "b", "adapter": "x"}
        self.old = store.policies.add(name="old", kind="sft", **base)
        training = store.runs.enqueue("dpo", {}, "rae")
        self.new = store.policies.add(name="new", kind="dpo", parent_id=self.old.id, run_id=training.id, **base)
        store.runs.request_cancel(training.id)
        settings = SampleSettings(from_=self.new.public, against=self.old.public, until_decided=True)
        self.run = store.runs.enqueue("sample", as_dict(settings), "rae")
        store.runs.request_cancel(self.run.id)
        texts = (f"Write note {number}." for number in itertools.count())
        held_out = (text for text in texts if split_of(text) == "test")
        self.pairs = [self._add(text, number) for number, text in enumerate(itertools.islice(held_out, count))]

    def _add(self, text: str, number: int) -> Pair:
        store = self.store
        prompt = store.prompts.add(text, source="test")
        ids = [self._answer(prompt.id, policy, number) for policy in (self.new, self.old)]
        pair = store.pairs.add(prompt.id, *ids, purpose="compare", run_id=self.run.id)
        asked = OnlinePair(prompt.id, *ids, 0, "random", "start", 1.0, 0.5)
        store.online_pairs.record(self.run.id, [pair.id], [asked])
        return pair

    def _answer(self, prompt_id: int, policy: Policy, number: int) -> str:
        row = {"prompt_id": prompt_id, "policy_id": policy.id, "text": f"{policy.name} {number}", "token_ids": [number]}
        return self.store.completions.add_many([row], self.run.id)[0]

    def judge(self, name: str, outcomes: str) -> list[str]:
        """Let a labeler answer the next pairs: n for the new policy, o for the old one, t for a tie.

        Returns the ids of the answers.
        """
        session, ids = Session(self.store, name), []
        for letter in outcomes:
            item = session.next()
            assert item is not None, "a pair waits"
            new_is_left = item.left.startswith("new")
            verdict = "tie" if letter == "t" else "left" if (letter == "n") == new_is_left else "right"
            ids.append(f"{name}-{item.assignment}")
            session.submit(Answer(ids[-1], item.assignment, verdict))
        return ids
