# SPDX-License-Identifier: Apache-2.0
"""The run kind `embed`: vectors, losses, columns, near-duplicates, clusters and the map of all train rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from data.records import Instruction
from data.run_context import Cancelled, RunContext, RunResult
from data.selection.features import NAMES, compute_features, detect_language
from data.selection.near_duplicates import find_near_duplicates
from labeling.texts.pages import bad_input
from reward.base import distributed
from reward.base.frozen_base import Base
from reward.base.machine import peak_mb
from reward.base.text.unusable_prompts import SkippedPrompts, UnusablePrompt
from rlhf.clinic.examination import Examination
from rlhf.clinic.reading import LOSSES, EncodedRow, RowReadings, encode_row, read_rows, sentence_vectors
from rlhf.clinic.settings import EmbedSettings
from rlhf.models.policy_loading import Bases, load_policy
from rlhf.models.start_policy import choose_first_policy


def run(context: RunContext, settings: EmbedSettings) -> RunResult:
    """Examine the train rows, save the examination, and report a summary."""
    store = context.store
    rows = store.instructions.all(split="train", last=settings.last_row)
    if not rows:
        raise bad_input("need.rows_to_embed")
    policy = choose_first_policy(store, settings.from_)
    skipped: Counter[str] = Counter()
    rows, reading = _read(context, settings, rows, skipped)

    def report() -> dict[str, Any]:
        examination = examine(
            rows, reading, clusters=settings.clusters, similarity=settings.similarity, seed=settings.seed
        )
        examination.save(context.folder)
        return {
            "rows": len(rows),
            "policy": policy.public,
            "model": settings.model or f"hidden states of {policy.public}",
            "near_duplicates": int((examination.groups != np.arange(len(rows))).sum()),
            "ifd": round(float(np.median(examination.column("ifd"))), 4),
            "languages": dict(Counter(detect_language(row.output) for row in rows).most_common()),
            "peak_mb": peak_mb(),
            "skipped": dict(skipped),
        }

    return RunResult([], context.once(report))


def examine(
    rows: Sequence[Instruction], reading: RowReadings, *, clusters: int, similarity: float, seed: int
) -> Examination:
    """Combine the texts' features with the model's readings into an examination."""
    texts = [f"{row.instruction} {row.input} {row.output}" for row in rows]
    columns = np.stack([compute_features(row.instruction, row.input, row.output) for row in rows])
    vectors = _unit(reading.instructions)
    positions = PCA(min(2, *vectors.shape), random_state=seed).fit_transform(vectors)
    clustering = KMeans(min(clusters, len(rows)), n_init=3, random_state=seed).fit_predict(vectors)
    return Examination(
        ids=np.array([row.id for row in rows]),
        instructions=vectors,
        answers=reading.answers,
        columns=np.hstack([columns, reading.losses]),
        names=np.array([*NAMES, *LOSSES]),
        map=np.pad(positions, ((0, 0), (0, 2 - positions.shape[1]))).astype(np.float32),
        clusters=clustering.astype(np.int32),
        groups=find_near_duplicates(texts, similarity, seed),
    )


def _read(
    context: RunContext, settings: EmbedSettings, rows: Sequence[Instruction], skipped: Counter[str]
) -> tuple[list[Instruction], RowReadings]:
    """Read the rows with the policy; take vectors from the sentence-transformers model if the settings name one.

    Returns the rows that were read, and counts those whose prompt the template refuses.
    """
    bases, store = Bases(settings), context.store
    policy = choose_first_policy(store, settings.from_)
    base, role = bases.of(policy), load_policy(store, bases, policy.id)

    def on_progress(done: int) -> None:
        context.progress(done, len(readable), "rows")
        if context.cancelled():
            raise Cancelled

    with base.role(role):
        readable, encoded = _encode(base, rows, SkippedPrompts(skipped))
        reading = _read_shared(base, encoded, settings.batch_size, on_progress)
    if not settings.model:
        return readable, reading
    tasks, outputs = [f"{row.instruction} {row.input}".strip() for row in readable], [row.output for row in readable]
    instructions, answers = context.once(
        lambda: [sentence_vectors(settings.model, texts, settings.batch_size) for texts in (tasks, outputs)]
    )
    return readable, RowReadings(instructions, answers, reading.losses)


def _read_shared(
    base: Base, encoded: Sequence[EncodedRow], batch_size: int, on_progress: Callable[[int], None]
) -> RowReadings:
    """Read the rows, a share in each process of the run."""
    processes = distributed.world_size()

    def read(own: list[EncodedRow]) -> list[tuple[np.ndarray, ...]]:
        return list(zip(*read_rows(base, own, batch_size, lambda done: on_progress(done * processes)), strict=True))

    instructions, answers, losses = zip(*distributed.map_shards(read, encoded), strict=True)
    return RowReadings(np.stack(instructions), np.stack(answers), np.stack(losses))


def _encode(
    base: Base, rows: Sequence[Instruction], skipped: SkippedPrompts
) -> tuple[list[Instruction], list[EncodedRow]]:
    """Return the rows that the template takes, and their ids. Raises the first problem if none is left."""
    encoded: list[tuple[Instruction, EncodedRow]] = []
    for row in rows:
        try:
            encoded.append((row, encode_row(base, row.instruction, row.input, row.output)))
        except UnusablePrompt as problem:
            skipped.add(problem)
    if not encoded and skipped.first:
        raise skipped.first
    return [row for row, _ in encoded], [ids for _, ids in encoded]


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Centre the vectors and scale them to length 1.

    Hidden states of one model share a common direction, which carries no information.
    """
    centred = vectors - vectors.mean(axis=0)
    return (centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)).astype(np.float32)
