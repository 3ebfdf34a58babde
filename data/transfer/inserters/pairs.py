# SPDX-License-Identifier: Apache-2.0
"""Imported pairs and votes: answers, pairs, and a comparison for each vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data.clock import now
from data.formats.shapes import PairShape, PreferenceShape, Vote
from data.ids import canonical_json, content_hash
from data.store import Store
from data.tables.comparisons import NewComparison
from data.transfer.import_target import SIMULATED, ImportRow, ImportTarget

ASSIGNMENT = (
    "id",
    "pair_id",
    "labeler_id",
    "left_id",
    "right_id",
    "expires_at",
    "created_at",
    "import_id",
    "project_id",
)
VERDICTS = {3: "_much", 2: "", 1: "_slightly"}
KNOWN_ROWS = "SELECT source_hash AS known FROM comparisons WHERE source_hash IN (SELECT value FROM json_each(?))"
ASSIGNED = "SELECT id AS known FROM assignments WHERE id IN (SELECT value FROM json_each(?))"
KNOWN_EVENTS = (
    "SELECT id AS known FROM comparisons WHERE id IN (SELECT value FROM json_each(?1))"
    " UNION SELECT id FROM rankings WHERE id IN (SELECT value FROM json_each(?1))"
)


class Pairs:
    """Two answers to a prompt for the labelers; votes in the file are ignored."""

    def add(self, chunk: Sequence[ImportRow], into: ImportTarget) -> int:
        """Write the answers and the pairs; return the number of new pairs."""
        last = into.store.value("SELECT coalesce(max(id), 0) FROM pairs")
        return len(
            {
                pair
                for pair, _, _ in _add_pairs([_pair_of(good) for good in chunk], into, purpose="train")
                if pair > last
            }
        )


class Comparisons:
    """Comparisons of a file, one for each vote. Labelers never see their pairs."""

    def add(self, chunk: Sequence[ImportRow], into: ImportTarget) -> int:
        """Write new answers, pairs and comparisons. A row is new if one of its votes is."""
        votes = [
            (good, vote, _vote_hash(good, number))
            for good in _not_joined(chunk, into.store)
            for number, vote in enumerate(_pair_of(good).votes)
        ]
        fresh = _not_recorded(votes, into.store)
        goods = list({good.hash: good for good, _, _ in fresh}.values())
        pairs = dict(
            zip(
                (good.hash for good in goods),
                _add_pairs([_pair_of(good) for good in goods], into, purpose="import"),
                strict=True,
            )
        )
        events = [_event(hash, vote, pairs[good.hash], _pair_of(good).source, into) for good, vote, hash in fresh]
        assignments = [_assignment(event) for event in events if event["assignment_id"]]
        if assignments:
            into.write(into.store.insert_many, "assignments", ASSIGNMENT, assignments)
        assigned = _assigned(events, into)
        events = [event for event in events if event["assignment_id"] is None or event["id"] in assigned]
        rows = into.store.comparisons.prepare(events)
        aspects = [(event["id"], *choice) for event in events for choice in event["aspects"].items()]
        recorded = {row[0] for row in rows}
        edited = _add_edits(goods, pairs, into)
        edits = [
            (event["id"], *edited[event["source_hash"]], event["labeler_id"])
            for event in events
            if event["source_hash"] in edited
        ]
        into.write(into.store.comparisons.record_many, rows, aspects, edits)
        return len({good.hash for good, _, hash in fresh if hash[:32] in recorded})


def _pair_of(good: ImportRow) -> PairShape:
    return good.shape.pair if isinstance(good.shape, PreferenceShape) else good.shape


def _vote_hash(good: ImportRow, number: int) -> str:
    """Return the row's hash for its only vote; of several votes each has its own hash."""
    return good.hash if len(_pair_of(good).votes) == 1 else content_hash(good.hash, number)


def _not_recorded(votes: Sequence[tuple[ImportRow, Vote, str]], store: Store) -> list[tuple[ImportRow, Vote, str]]:
    """Return the votes whose row is new and whose comparison this store does not have."""
    hashes = find_known(store, KNOWN_ROWS, [hash for _, _, hash in votes])
    ids = find_known(store, KNOWN_EVENTS, [good.comparison for good, _, _ in votes if good.comparison])
    return [(good, vote, hash) for good, vote, hash in votes if hash not in hashes and good.comparison not in ids]


def _not_joined(chunk: Sequence[ImportRow], store: Store) -> list[ImportRow]:
    """Return the shapes without those whose joined rows are all comparisons of their own here."""
    known = find_known(store, KNOWN_ROWS, [hash for good in chunk for hash in good.joined])
    return [good for good in chunk if not good.joined or not known.issuperset(good.joined)]


def _add_edits(
    goods: Sequence[ImportRow], pairs: Mapping[str, tuple[int, str, str]], into: ImportTarget
) -> dict[str, tuple[str, str]]:
    """Write the improved answers; return (edited answer, improved answer) by the hash of the row."""
    edits = [(good, edit) for good in goods if (edit := _pair_of(good).edit)]
    ids = into.prompt_ids([good.shape.prompt for good, _ in edits]) if edits else []
    answers = [into.completion(prompt_id, *edit.answer) for prompt_id, (_, edit) in zip(ids, edits, strict=True)]
    completions = into.write(into.store.completions.add_many, answers) if answers else []
    sides = {good.hash: pairs[good.hash][1:][edit.side] for good, edit in edits}
    return {hash: (edited, improved) for (hash, edited), improved in zip(sides.items(), completions, strict=True)}


def find_known(store: Store, query: str, values: Sequence[str]) -> set[str]:
    """Return those of the values that the store has."""
    return {row["known"] for row in store.rows(query, [canonical_json(values)])} if values else set()


def _add_pairs(shapes: Sequence[PairShape], into: ImportTarget, *, purpose: str) -> list[tuple[int, str, str]]:
    """Write pairs; return (pair, first answer, second answer) for each shape."""
    ids = into.prompt_ids([shape.prompt for shape in shapes])
    answers = [
        into.completion(prompt_id, *answer)
        for prompt_id, shape in zip(ids, shapes, strict=True)
        for answer in shape.answers
    ]
    completions = into.write(into.store.completions.add_many, answers)
    first, second = completions[::2], completions[1::2]
    about = {"purpose": purpose, "import_id": into.import_id, "project_id": into.project_id}
    pairs = into.write(into.store.pairs.add_many, zip(ids, first, second, strict=True), **about)
    return list(zip(pairs, first, second, strict=True))


def _event(hash: str, vote: Vote, pair: tuple[int, str, str], source: str, into: ImportTarget) -> NewComparison:
    """Return the comparison of one vote. Its side comes from the hash, so position carries no information."""
    pair_id, *answers = pair
    first_left = int(hash[-1], 16) % 2 == 0
    left, right = answers if first_left else answers[::-1]
    id = hash[:32]
    return {
        "id": id,
        "source_hash": hash,
        "source": source,
        "assignment_id": id if source == SIMULATED else None,
        "verdict": _verdict(vote, first_left),
        "aspects": {aspect: _side(winner, first_left) or "tie" for aspect, winner in vote.aspects},
        "pair_id": pair_id,
        "labeler_id": into.author(vote.labeler, source).id,
        "left_id": left,
        "right_id": right,
        "import_id": into.import_id,
        "project_id": into.project_id,
    }


def _verdict(vote: Vote, first_left: bool) -> str:
    side = _side(vote.winner, first_left)
    if side is None:
        return "both_bad" if vote.both_bad else "tie"
    return side + VERDICTS[vote.margin]


def _side(winner: int | None, first_left: bool) -> str | None:
    """Return the side of the winner, 0 or 1; None for a tie."""
    return None if winner is None else "left" if (winner == 0) == first_left else "right"


def _assignment(event: NewComparison) -> tuple:
    """Return an assignment for a simulated labeler, who has each pair once, as every labeler."""
    held = {"expires_at": now(), "created_at": now()}
    return tuple({**event, **held}[name] for name in ASSIGNMENT)


def _assigned(events: Sequence[NewComparison], into: ImportTarget) -> set[str]:
    wanted = [event["assignment_id"] for event in events if event["assignment_id"]]
    return find_known(into.store, ASSIGNED, wanted)
