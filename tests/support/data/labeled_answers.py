# SPDX-License-Identifier: Apache-2.0
"""Preference and instruction rows to import, and answers that a person compared."""

from __future__ import annotations

TALK = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Bye"},
]
GIVEN = [
    {"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "No.", "margin": 3},
    {"prompt": TALK, "chosen": "Goodbye.", "rejected": "So?", "margin": 1},
    {"prompt": "Name a day.", "chosen": "Monday.", "rejected": "Never.", "source": "simulated"},
]
TAUGHT = [
    {"instruction": "Add.", "input": "1 2", "output": "3", "defects": ["curt"]},
    {"messages": [*TALK, {"role": "assistant", "content": "Ciao."}]},
]


def add_answer(store, text: str, answers: tuple[str, str], verdict: str) -> str:
    """A person's comparison of two imported answers, as the session records it."""
    prompt = store.prompts.add(text, source="here")
    left, right = store.completions.add_many(
        {"prompt_id": prompt.id, "text": answer, "model_name": "m"} for answer in answers
    )
    pair = store.pairs.add(prompt.id, left, right)
    anna = store.accounts.by_name("anna") or store.accounts.add("anna", "labeler")
    about = {"pair_id": pair.id, "labeler_id": anna.id, "left_id": left, "right_id": right}
    store.insert("assignments", about | {"id": f"a{pair.id}", "expires_at": "2030", "created_at": "2026"})
    store.comparisons.record(
        id=f"c{pair.id}", assignment_id=f"a{pair.id}", verdict=verdict, source="person", rationale="Both fine.", **about
    )
    return f"c{pair.id}"
