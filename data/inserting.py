"""Imported shapes into the store, a chunk at a time: each inserter -> (added, duplicate). Call inside a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from data.clock import now
from data.comparisons import NewComparison
from data.formats.shapes import CompletionShape, PreferenceShape, PromptShape
from data.store import Store

SIMULATED = "simulated"
VERDICTS = {3: "_much", 2: "", 1: "_slightly"}


class Good(NamedTuple):
    """A shape and the hash of the row that it was read from."""

    shape: Any
    hash: str


Answer = tuple[str, str | None]  # text, model where the file names it
Inserter = Callable[[Sequence[Good]], tuple[int, int]]


def prompts(store: Store, source: str) -> Inserter:
    """Prompts are the same where their normalised texts are."""

    def insert(chunk: Sequence[Good]) -> tuple[int, int]:
        return _add_prompts(store, [good.shape for good in chunk], source)

    return insert


def instructions(store: Store, source: str) -> Inserter:
    """Instruction rows, each with its prompt."""

    def insert(chunk: Sequence[Good]) -> tuple[int, int]:
        shapes = [good.shape for good in chunk]
        _add_prompts(store, [shape.prompt for shape in shapes], source)
        return store.instructions.add_many(
            {
                "instruction": shape.instruction, "input": shape.input, "output": shape.output,
                "source": source, "defects": shape.defects, "family": shape.family,
            }
            for shape in shapes
        )  # fmt: skip

    return insert


def preferences(store: Store, source: str) -> Inserter:
    """Comparisons said by the file, each with its prompt, its two completions and its pair."""
    authors: dict[str, int] = {}

    def author(shape: PreferenceShape) -> int:
        name = _author_name(source, shape)
        if name not in authors:
            authors[name] = _author(store, name, simulated=shape.source == SIMULATED)
        return authors[name]

    def insert(chunk: Sequence[Good]) -> tuple[int, int]:
        fresh = [good for good in chunk if not _recorded(store, good)]
        shapes: list[PreferenceShape] = [good.shape for good in fresh]
        ids = _prompt_ids(store, [shape.prompt for shape in shapes], source)
        chosen = _add_completions(store, ids, [(shape.chosen, shape.chosen_model) for shape in shapes], source)
        rejected = _add_completions(store, ids, [(shape.rejected, shape.rejected_model) for shape in shapes], source)
        pairs = store.pairs.add_many(zip(ids, chosen, rejected, strict=True), purpose="import")
        told = zip(fresh, pairs, chosen, rejected, strict=True)
        events = [_event(good, pair, better, worse, author(good.shape)) for good, pair, better, worse in told]
        added, _ = store.comparisons.record_many(event for event in events if _assigned(store, event))
        return added, len(chunk) - added

    return insert


def completions(store: Store, source: str) -> Inserter:
    """Answers of models elsewhere; each is paired for the labelers with the one before it for the same prompt."""
    seen: Counter[tuple] = Counter()

    def insert(chunk: Sequence[Good]) -> tuple[int, int]:
        shapes: list[CompletionShape] = [good.shape for good in chunk]
        ids = _prompt_ids(store, [shape.prompt for shape in shapes], source)
        added = 0
        for prompt_id, shape in zip(ids, shapes, strict=True):
            model = shape.model or _model_name(source)
            number = seen[prompt_id, model, shape.text]
            seen[prompt_id, model, shape.text] += 1
            added += _add_completion(store, prompt_id, shape.text, model, number)
        return added, len(chunk) - added

    return insert


INSERTERS: dict[str, Callable[[Store, str], Inserter]] = {
    "prompts": prompts,
    "instructions": instructions,
    "preferences": preferences,
    "completions": completions,
}


def _recorded(store: Store, good: Good) -> bool:
    return store.value("SELECT 1 FROM comparisons WHERE source_hash = ?", [good.hash]) is not None


def _event(good: Good, pair_id: int, better: str, worse: str, author: int) -> NewComparison:
    """The comparison of one row. Its side comes from the row's hash, so that position says nothing."""
    shape: PreferenceShape = good.shape
    chosen_left = int(good.hash[-1], 16) % 2 == 0
    left, right = (better, worse) if chosen_left else (worse, better)
    id = good.hash[:32]
    return {
        "id": id, "source_hash": good.hash, "source": shape.source, "assignment_id": id if shape.source == SIMULATED else None,
        "verdict": ("left" if chosen_left else "right") + VERDICTS[shape.margin],
        "pair_id": pair_id, "labeler_id": author, "left_id": left, "right_id": right,
    }  # fmt: skip


def _assigned(store: Store, event: NewComparison) -> bool:
    """Whether the event may be recorded: a simulated labeler, as every one, has a pair once, by an assignment."""
    if event["assignment_id"] is None:
        return True
    moment = now()
    about = {name: event[name] for name in ("id", "pair_id", "labeler_id", "left_id", "right_id")}
    return store.insert("assignments", about | {"expires_at": moment, "created_at": moment}, ignore=True) is not None


def _author_name(source: str, shape: PreferenceShape) -> str:
    return f"file:{source}" + (f" (simulated {shape.labeler}".rstrip() + ")" if shape.source == SIMULATED else "")


def _author(store: Store, name: str, *, simulated: bool) -> int:
    """The account that stands for the file, or for one simulated labeler of it; nobody can log in as it."""
    account = store.accounts.by_name(name) or store.accounts.add(name, "labeler", simulated=simulated)
    return account.id


def _add_prompts(store: Store, shapes: Sequence[PromptShape], source: str) -> tuple[int, int]:
    return store.prompts.add_many(
        {"text": one.text, "messages": one.messages, "source": source, "family": one.family, "facts": one.facts} for one in shapes
    )


def _prompt_ids(store: Store, shapes: Sequence[PromptShape], source: str) -> list[int]:
    _add_prompts(store, shapes, source)
    return [store.prompts.find(shape.text).id for shape in shapes]


def _add_completions(store: Store, prompt_ids: Sequence[int], answers: Sequence[Answer], source: str) -> list[str]:
    return store.completions.add_many(
        {"prompt_id": prompt_id, "text": text, "model_name": model or _model_name(source)}
        for prompt_id, (text, model) in zip(prompt_ids, answers, strict=True)
    )


def _add_completion(store: Store, prompt_id: int, text: str, model: str, number: int) -> bool:
    before = store.completions.of_prompt(prompt_id)
    [id] = store.completions.add_many([{"prompt_id": prompt_id, "text": text, "model_name": model, "number": number}])
    if any(one.id == id for one in before):
        return False
    if before:
        store.pairs.add(prompt_id, before[-1].id, id)
    return True


def _model_name(source: str) -> str:
    """What the answers of a file are called where it names no model."""
    return PurePath(source).stem
