# SPDX-License-Identifier: Apache-2.0
"""One example of what each stage of a tour did: an answer, a preference, or answers before and after a training."""

from __future__ import annotations

from data.records import Run
from data.store import Store


def sampled_answer(store: Store, run: Run) -> dict[str, str]:
    """Return the first prompt of a sampling run, and its answer."""
    first = next(iter(store.completions.of_run(run.id)), None)
    return {"prompt": store.prompts.get(first.prompt_id).text, "answer": first.text} if first else {}


def preferred_answer(store: Store) -> dict[str, str]:
    """Return the first comparison: its prompt, the answer that was preferred and the other one."""
    comparison = next((each for each in store.comparisons.current() if each.winner_id), None)
    if comparison is None:
        return {}
    winner = store.completions.get(comparison.winner_id or "")
    other = comparison.left_id if comparison.winner_id == comparison.right_id else comparison.right_id
    prompt = store.prompts.get(winner.prompt_id).text
    return {"prompt": prompt, "preferred": winner.text, "to": store.completions.get(other).text}


def trained_answers(store: Store, run: Run) -> dict[str, str]:
    """Return the answers before and after a PPO run to the first prompt of its last validation."""
    samples = store.metrics.samples(run.id, last=100)
    last = [sample for sample in samples if sample["step"] == samples[0]["step"]] if samples else []
    if not last or "reference" not in last[-1]:
        return {}
    first = last[-1]  # the newest come first
    return {"prompt": first["prompt"], "before": first["reference"], "after": first["policy"]}


def compared_answers(comparison: dict) -> dict[str, str]:
    """Return the answers of both policies to the first test prompt, not selected."""
    examples = comparison.get("examples") or []
    return (
        {"prompt": examples[0]["prompt"], "before": examples[0]["start"], "after": examples[0]["end"]}
        if examples
        else {}
    )
