# SPDX-License-Identifier: Apache-2.0
"""Written answers: ids, a text, and an edited comparison."""

from __future__ import annotations

ID, OTHER, THIRD = "a" * 16, "b" * 16, "c" * 16


TEXT = "미나야, 고마워!\n잘 읽을게."


def edited(store, ana, prompt, **about):
    """A comparison with a better answer that its labeler wrote."""
    rows = [{"prompt_id": prompt.id, "model_name": model, "text": model, "number": 0} for model in ("one", "two")]
    pair = store.pairs.add(prompt.id, *store.completions.add_many(rows))
    about |= {
        "pair_id": pair.id,
        "labeler_id": ana.id,
        "left_id": pair.first_id,
        "right_id": pair.second_id,
        "source": "import",
    }
    store.comparisons.record(id=ID, verdict="left", edit=(pair.first_id, TEXT), **about)
    return about
