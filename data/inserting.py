"""Imported shapes into the store, a chunk at a time. What is written bears the import's number and counts once that is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol

from data.clock import now
from data.comparisons import NewComparison
from data.formats.shapes import CompletionShape, JudgedShape, PreferenceShape, PromptShape, Vote
from data.ids import content_hash, dumps, imported_id
from data.imports import REST, Pace
from data.occurrences import Occurrences
from data.prompts import COLUMNS, prompt_row
from data.records import Account
from data.store import Store

SIMULATED = "simulated"
ASSIGNMENT = ("id", "pair_id", "labeler_id", "left_id", "right_id", "expires_at", "created_at", "import_id")
VERDICTS = {3: "_much", 2: "", 1: "_slightly"}
OF_PROMPTS = "SELECT hash, id FROM prompts WHERE hash IN (SELECT value FROM json_each(?))"
KNOWN_COMPLETIONS = "SELECT id FROM completions WHERE id IN (SELECT value FROM json_each(?))"
KNOWN_ROWS = "SELECT source_hash AS known FROM comparisons WHERE source_hash IN (SELECT value FROM json_each(?))"
KNOWN_EVENTS = (
    "SELECT id AS known FROM comparisons WHERE id IN (SELECT value FROM json_each(?1))"
    " UNION SELECT id FROM rankings WHERE id IN (SELECT value FROM json_each(?1))"
)
UNPAIRED = """
SELECT rowid, id, prompt_id, text FROM completions AS c WHERE id IN (SELECT value FROM json_each(?))
AND NOT EXISTS (SELECT 1 FROM pairs AS p WHERE p.prompt_id = c.prompt_id AND c.id IN (p.first_id, p.second_id)) ORDER BY rowid
"""
EARLIER = "SELECT id, text FROM completions WHERE prompt_id = ? AND rowid < ? ORDER BY rowid DESC LIMIT 16"


class Good(NamedTuple):
    """A shape, the hash of the row that it was read from, and the event of which the row says that it is from there."""

    shape: Any
    hash: str
    comparison: str | None = None


@dataclass(frozen=True, slots=True)
class Into:
    """Where rows go: the store, the number of the import, the name of the file at hand, how many at once; `apart`: its labelers are kept apart."""

    store: Store
    import_id: int
    source: str
    pace: Pace
    apart: bool = True

    def write(self, verb: Callable[..., Any], *rows: Any, **about: Any) -> Any:
        """Do one commit, and rest for as long as it took: whoever else wants to write finds the file free half of the time."""
        began = time.monotonic()
        result = verb(*rows, **about)
        took = time.monotonic() - began
        self.pace.took(took)
        time.sleep(max(REST, took))
        return result

    def prompt_ids(self, shapes: Sequence[PromptShape]) -> list[int]:
        """The ids of prompts, in order; those that are not there are added."""
        rows = [prompt_row(**_prompt(shape, self.source)) for shape in shapes]
        self.add_prompts(rows)
        ids = {row["hash"]: row["id"] for row in self.store.rows(OF_PROMPTS, [dumps([row[0] for row in rows])])}
        return [ids[row[0]] for row in rows]

    def add_prompts(self, rows: Sequence[tuple]) -> int:
        """Write prompts; how many were new."""
        return self.write(self.store.insert_many, "prompts", (*COLUMNS, "import_id"), [(*row, self.import_id) for row in rows])

    def completion(self, prompt_id: int, text: str, model: str | None, number: int = 0) -> dict[str, Any]:
        """An answer as `Completions.add_many` takes it; without a model it is the file's."""
        name = model or PurePath(self.source).stem
        return {"prompt_id": prompt_id, "text": text, "model_name": name, "number": number, "import_id": self.import_id}

    def author(self, name: str, *, simulated: bool) -> Account:
        """The account that stands for the file, or for one labeler of it; nobody can log in as it."""
        return self.store.accounts.by_name(name) or self.store.accounts.add(name, "labeler", simulated=simulated)


class Inserter(Protocol):
    """Rows of one kind on their way into the store."""

    def add(self, chunk: Sequence[Good], into: Into) -> int:
        """Write a chunk in commits of its own; how many of the rows were new."""


class Prompts:
    """Prompts are the same where their normalised texts are."""

    def add(self, chunk: Sequence[Good], into: Into) -> int:
        """Write the prompts."""
        return into.add_prompts([prompt_row(**_prompt(good.shape, into.source)) for good in chunk])


class Instructions:
    """Instruction rows, each with its prompt."""

    def add(self, chunk: Sequence[Good], into: Into) -> int:
        """Write the prompts, which know their turns and their family, and the rows."""
        into.add_prompts([prompt_row(**_prompt(good.shape.prompt, into.source)) for good in chunk])
        prepared = into.store.instructions.prepare(
            {
                "instruction": good.shape.instruction, "input": good.shape.input, "output": good.shape.output,
                "source": into.source, "defects": good.shape.defects,
            }
            for good in chunk
        )  # fmt: skip
        added, _ = into.write(into.store.instructions.write, ([], prepared[1]), into.import_id)
        return added


class Pairs:
    """Two answers to a prompt, for the labelers to judge; what the file says of them is not read."""

    def add(self, chunk: Sequence[Good], into: Into) -> int:
        """Write the answers and the pairs."""
        last = into.store.value("SELECT coalesce(max(id), 0) FROM pairs")
        return len({pair for pair, _, _ in _add_pairs([_judged(good) for good in chunk], into, purpose="train") if pair > last})


class Preferences:
    """Comparisons said by the file: one for each vote. Their pairs are shown to nobody."""

    def __init__(self) -> None:
        self._authors: dict[str, Account] = {}

    def add(self, chunk: Sequence[Good], into: Into) -> int:
        """Write what is not there yet: answers, pairs, comparisons. A row is new where one of its votes is."""
        votes = [(good, vote, _vote_hash(good, number)) for good in chunk for number, vote in enumerate(_judged(good).votes)]
        fresh = _not_recorded(votes, into.store)
        goods = list({good.hash: good for good, _, _ in fresh}.values())
        pairs = dict(zip((good.hash for good in goods), _add_pairs([_judged(good) for good in goods], into, purpose="import"), strict=True))
        events = [_event(hash, vote, pairs[good.hash], self._author(good, vote, into), into) for good, vote, hash in fresh]
        assignments = [_assignment(event) for event in events if event["assignment_id"]]
        if assignments:
            into.write(into.store.insert_many, "assignments", ASSIGNMENT, assignments)
        made = _assigned(events, into)
        rows = into.store.comparisons.prepare(event for event in events if event["assignment_id"] is None or event["id"] in made)
        into.write(into.store.comparisons.record_many, rows)
        recorded = {row[0] for row in rows}
        return len({good.hash for good, _, hash in fresh if hash[:32] in recorded})

    def _author(self, good: Good, vote: Vote, into: Into) -> Account:
        simulated = _judged(good).source == SIMULATED
        who = f"{SIMULATED} {vote.labeler}".rstrip() if simulated else vote.labeler if into.apart else ""
        name = f"file:{into.source}" + (f" ({who})" if who else "")
        if name not in self._authors:
            self._authors[name] = into.author(name, simulated=simulated)
        return self._authors[name]


class Completions:
    """Answers of models elsewhere. Each waits in a pair with an earlier one for its prompt."""

    def __init__(self) -> None:
        self._seen = Occurrences()

    def add(self, chunk: Sequence[Good], into: Into) -> int:
        """Write the completions and their pairs."""
        shapes: list[CompletionShape] = [good.shape for good in chunk]
        ids = into.prompt_ids([shape.prompt for shape in shapes])
        rows = [self._row(prompt_id, shape, into) for prompt_id, shape in zip(ids, shapes, strict=True)]
        wanted = [imported_id(row["prompt_id"], row["model_name"], row["text"], row["number"]) for row in rows]
        known = {row["id"] for row in into.store.rows(KNOWN_COMPLETIONS, [dumps(wanted)])}
        into.write(into.store.completions.add_many, rows)
        into.write(into.store.pairs.add_many, _partners(wanted, into.store), import_id=into.import_id)
        return len(set(wanted) - known)

    def _row(self, prompt_id: int, shape: CompletionShape, into: Into) -> dict[str, Any]:
        row = into.completion(prompt_id, shape.text, shape.model)
        return row | {"number": self._seen.before(prompt_id, row["model_name"], shape.text)}


INSERTERS: dict[str, Callable[[], Inserter]] = {
    "prompts": Prompts,
    "instructions": Instructions,
    "preferences": Preferences,
    "pairs": Pairs,
    "completions": Completions,
}


def _judged(good: Good) -> JudgedShape:
    return good.shape.judged if isinstance(good.shape, PreferenceShape) else good.shape


def _vote_hash(good: Good, number: int) -> str:
    """A row's only vote has the row's hash, several have one each."""
    return good.hash if len(_judged(good).votes) == 1 else content_hash(good.hash, number)


def _not_recorded(votes: Sequence[tuple[Good, Vote, str]], store: Store) -> list[tuple[Good, Vote, str]]:
    """Those votes whose row was never imported and is no export of a comparison of this store."""

    def known(query: str, values: list) -> set[str]:
        return {row["known"] for row in store.rows(query, [dumps(values)])}

    hashes = known(KNOWN_ROWS, [hash for _, _, hash in votes])
    ids = known(KNOWN_EVENTS, [good.comparison for good, _, _ in votes if good.comparison])
    return [(good, vote, hash) for good, vote, hash in votes if hash not in hashes and good.comparison not in ids]


def _add_pairs(shapes: Sequence[JudgedShape], into: Into, *, purpose: str) -> list[tuple[int, str, str]]:
    """(pair, first answer, second answer) for each shape."""
    ids = into.prompt_ids([shape.prompt for shape in shapes])
    answers = [into.completion(prompt_id, *answer) for prompt_id, shape in zip(ids, shapes, strict=True) for answer in shape.answers]
    completions = into.write(into.store.completions.add_many, answers)
    first, second = completions[::2], completions[1::2]
    pairs = into.write(into.store.pairs.add_many, zip(ids, first, second, strict=True), purpose=purpose, import_id=into.import_id)
    return list(zip(pairs, first, second, strict=True))


def _event(hash: str, vote: Vote, told: tuple[int, str, str], author: Account, into: Into) -> NewComparison:
    """The comparison of one vote. Its side comes from the hash, so that position says nothing."""
    pair_id, *answers = told
    first_left = int(hash[-1], 16) % 2 == 0
    left, right = answers if first_left else answers[::-1]
    id, simulated = hash[:32], author.simulated
    return {
        "id": id, "source_hash": hash, "source": SIMULATED if simulated else "import", "assignment_id": id if simulated else None,
        "verdict": _verdict(vote, first_left), "pair_id": pair_id, "labeler_id": author.id, "left_id": left, "right_id": right,
        "import_id": into.import_id,
    }  # fmt: skip


def _verdict(vote: Vote, first_left: bool) -> str:
    if vote.winner is None:
        return "both_bad" if vote.both_bad else "tie"
    return ("left" if (vote.winner == 0) == first_left else "right") + VERDICTS[vote.margin]


def _assignment(event: NewComparison) -> tuple:
    """A simulated labeler, as every one, has a pair once, by an assignment."""
    moment = now()
    return (event["id"], event["pair_id"], event["labeler_id"], event["left_id"], event["right_id"], moment, moment, event["import_id"])


def _assigned(events: Sequence[NewComparison], into: Into) -> set[str]:
    wanted = [event["assignment_id"] for event in events if event["assignment_id"]]
    found = into.store.rows("SELECT id FROM assignments WHERE id IN (SELECT value FROM json_each(?))", [dumps(wanted)]) if wanted else []
    return {row["id"] for row in found}


def _partners(ids: Sequence[str], store: Store) -> list[tuple[int, str, str]]:
    """Each answer that is in no pair with an earlier answer to its prompt, of another text where there is one, drawn by its id.

    So every answer is in a pair, any two models meet, and the pairs of a prompt hang together.
    """
    drawn = []
    for row in store.rows(UNPAIRED, [dumps(ids)]):
        earlier = store.rows(EARLIER, [row["prompt_id"], row["rowid"]])
        choices = [one for one in earlier if one["text"] != row["text"]] or earlier
        if choices:
            drawn.append((row["prompt_id"], row["id"], choices[int(row["id"][:8], 16) % len(choices)]["id"]))
    return drawn


def _prompt(shape: PromptShape, source: str) -> dict[str, Any]:
    return {"text": shape.text, "messages": shape.messages, "source": source, "family": shape.family, "facts": shape.facts}
