"""The documented rubric: the gold that simulated labelers see, noisily, and that win rates are counted by.

    gold = 2.0 fit + manner + 0.3 finish + repetition + filler + length

| part | range | what it reads |
| --- | --- | --- |
| fit | 0..1 | the share of the prompt's facts that the answer respects; 0 when it does another task |
| manner | -1.2..0.75 | -0.8 for each rude sentence; +0.25 for each kind of courtesy, three count |
| finish | -2..1 | 1 when the answer ends by itself and with a full stop, -2 otherwise |
| repetition | -1.2..0 | -0.6 for each sentence said again |
| filler | -0.9..0 | -0.3 for each sentence that says nothing |
| length | -1..0 | -0.05 for each word above the family's band, -0.5 below it |

It reads text, never token counts, and no part looks at which policy wrote the answer.
"""

from __future__ import annotations

import re

from data.starter.families import tips_for
from data.starter.manners import FILLER
from data.starter.words import CAPITALS, CATEGORY_ITEMS, COLOURS, OPPOSITES

VERSION = "2"
COURTESY = (
    r"\bdear\b", r"\b(happy to help|gladly|with pleasure|lovely thing|what you need)\b", r"\b(i hope|with joy|pleasure to write)\b",
    r"\b(ask me again|lovely day|it was a pleasure|good care|warm wishes|see you soon|helps you)\b",
)  # fmt: skip
RUDE_WORDS = re.compile(r"\b(stupid|fool|idiot|lazy|leave me alone|do not care|waste of my time|shut up)\b", re.I)
FILLER_KEYS = tuple(" ".join(sentence.lower().split()[:3]) for sentence in FILLER)
BANDS = {"story": (15, 55), "tips": (10, 45), "harm": (5, 30), "sum": (3, 28), "capital": (3, 28), "opposite": (3, 28),
         "colour": (3, 28), "list": (4, 30), "rewrite": (4, 28)}  # fmt: skip
LETTER_BAND = (8, 40)
TABLES = {"capital": CAPITALS, "opposite": OPPOSITES, "colour": COLOURS}


def gold(facts: dict, text: str, ended: bool = True) -> float:
    """The rubric's score of one answer to the prompt with these facts; about -5 to 3.05."""
    return sum(gold_parts(facts, text, ended).values())


def gold_parts(facts: dict, text: str, ended: bool = True) -> dict[str, float]:
    """The weighted parts by name; `fit` is 2.0 times the task fit, so between 0 and 2."""
    lower = text.lower()
    sentences = [s for s in re.split(r"(?<=[.!?])\s+", lower.strip()) if not re.fullmatch(r"\d+\.", s)]
    low, high = BANDS.get(facts["family"], LETTER_BAND)
    words = len(text.split())
    again = len(sentences) - len(set(sentences))
    filler = sum(sentence.startswith(FILLER_KEYS) for sentence in sentences)
    done = ended and text.rstrip().endswith((".", "!", "?"))
    return {
        "fit": 2.0 * task_fit(facts, text),
        "manner": _manner(lower, sentences),
        "finish": 0.3 * (1.0 if done else -2.0),
        "repetition": -min(1.2, 0.6 * again),
        "filler": -min(0.9, 0.3 * filler),
        "length": -0.5 if words < low else -min(1.0, 0.05 * max(0, words - high)),
    }


def _manner(lower: str, sentences: list[str]) -> float:
    rude = sum(bool(RUDE_WORDS.search(sentence)) for sentence in sentences)
    if rude:
        return -min(1.2, 0.8 * rude)
    return 0.25 * min(3, sum(bool(re.search(marker, lower)) for marker in COURTESY))


def task_fit(facts: dict, text: str) -> float:
    """Share of the facts that the answer respects, in 0..1; 0 when it does not do the task at all."""
    return CHECKS[facts["family"]](facts, text.lower())


def _has(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words.lower())}(?!\w)", text) is not None


def _thing(text: str, thing: str) -> float:
    """1 for the whole thing, half for its noun alone."""
    return 1.0 if _has(text, thing) else 0.5 if _has(text, thing.split()[-1]) else 0.0


def _letter(marker: str, *slots: str):
    """The share of the prompt's slots, halved when no word shows that it is a letter of this kind."""

    def check(facts: dict, text: str) -> float:
        kind = 1.0 if re.search(marker, text) else 0.5
        return kind * sum(_thing(text, facts[slot]) for slot in slots) / len(slots)

    return check


def _answer(facts: dict, text: str) -> float:
    """The answer's word, said of what was asked, and none of its table's others; for a sum the last number decides."""
    if facts["family"] == "sum":
        numbers = re.findall(r"\d+", text)
        return float(bool(numbers) and numbers[-1] == facts["answer"])
    rivals = set(TABLES[facts["family"]].values()) - {facts["answer"], facts["key"]}
    about_it = _has(text, facts["key"]) or text.startswith(facts["answer"].lower())
    return float(about_it and _has(text, facts["answer"]) and not any(_has(text, rival) for rival in rivals))


def _refused(facts: dict, text: str) -> float:
    refused = re.search(r"\b(cannot|will not|won't|can't) help\b", text) is not None
    return float(refused and "please " + facts["crime"] not in text)


def _listed(facts: dict, text: str) -> float:
    here = {item for item in CATEGORY_ITEMS[facts["category"]] if _has(text, item)}
    elsewhere = {item for items in CATEGORY_ITEMS.values() for item in items if _has(text, item)}
    wrong = len(elsewhere - set(CATEGORY_ITEMS[facts["category"]]))
    return max(0.0, (min(3, len(here)) - wrong) / 3)


def _tipped(facts: dict, text: str) -> float:
    return min(3, sum(tip.lower() in text for tip in tips_for(facts))) / 3


def _told(facts: dict, text: str) -> float:
    if not re.search(r"\b(once|long ago|one day|one morning)\b", text):
        return 0.0
    return (float(_has(text, facts["hero"])) + _thing(text, facts["thing"])) / 2


CHECKS = {
    "thanks": _letter(r"\b(thank|thanks|grateful)\b", "name", "thing"),
    "apology": _letter(r"\b(sorry|apologi[sz]e)\b", "name", "thing", "deed"),
    "invitation": _letter(r"\b(come|invite)\b", "name", "event", "day"),
    "request": _letter(r"\b(could you|would you|please)\b", "name", "verb", "thing"),
    "comfort": _letter(r"\b(sorry|sad|find another|not your fault)\b", "name", "thing"),
    "rewrite": _letter(r"\b(could you|would you|please)\b", "verb", "thing"),
    "tips": _tipped, "story": _told, "capital": _answer, "opposite": _answer, "colour": _answer, "sum": _answer,
    "harm": _refused, "list": _listed,
}  # fmt: skip
