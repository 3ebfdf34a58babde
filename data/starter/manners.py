"""Manners and defects laid over the core of an answer, good and bad alike, as raw text has them.

A `Profile` says how one answer is written. `write` turns a task and a profile into text; `remark` is what a reader
says of it afterwards. The corpus carries such remarks after the end of many answers, as forum pages do: it is why a
model that has read it knows at an answer's end token whether the answer fits, is kind, and is finished.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from data.starter.families import FAMILIES, Task, draw_task
from data.starter.words import Words

TONES = ("warm", "polite", "plain", "curt", "rude")
FITS = ("right", "wrong", "off_topic")
IT_FITS = "It fits."

OPENINGS = (
    "Of course, I am happy to help.", "With pleasure.", "That is a lovely thing to ask.", "Gladly.", "I hope this is what you need.",
)  # fmt: skip
CLOSINGS = (
    "I hope this helps you.", "Please ask me again at any time.", "Have a lovely day.", "It was a pleasure.", "Please take good care.",
)  # fmt: skip
LETTER_OPENINGS = ("I hope you are well.", "It is a pleasure to write to you.", "I often think of you with joy.")
LETTER_CLOSINGS = ("With warm wishes.", "I hope to see you soon.", "Have a lovely day.", "Please take good care.")
RUDE = (
    "What a stupid question.", "Leave me alone.", "Do it yourself, you fool.", "I do not care about you.", "You are so lazy.",
    "This is a waste of my time.", "Everybody knows that, idiot.",
)  # fmt: skip
FILLER = (
    "The weather was different last year.", "Some people say one thing and some say another.", "There are many things in the world.",
    "It is what it is, as they say.", "I once read something about it somewhere.", "Anyway, that is how it goes.",
    "One could say much more about this.", "Time goes by and nobody knows why.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Profile:
    """How an answer is written: its tone, whether it fits, and its marked defects."""

    tone: str = "warm"
    fit: str = "right"
    unfinished: bool = False
    repeats: bool = False
    rambles: bool = False

    def defects(self) -> list[str]:
        """Names of what is wrong with the answer; plain and polite answers have no defect of tone."""
        marks = [self.fit] if self.fit != "right" else []
        marks += [self.tone] if self.tone in ("curt", "rude") else []
        return marks + [name for name in ("unfinished", "repeats", "rambles") if getattr(self, name)]


def draw_profile(rng: random.Random) -> Profile:
    """One profile; a single draw of care makes the defects of an answer come together, as they do in life."""
    care = rng.random()
    tone = rng.choices(TONES, (0.42, 0.28, 0.18, 0.08, 0.04) if care > 0.45 else (0.08, 0.15, 0.27, 0.25, 0.25))[0]
    slip = 0.45 if care > 0.45 else 1.6
    fit = rng.choices(FITS, (1 - 0.18 * slip, 0.14 * slip, 0.04 * slip))[0]
    chance = lambda share: rng.random() < share * slip  # noqa: E731
    return Profile(tone, fit, unfinished=chance(0.11), repeats=chance(0.10), rambles=chance(0.11))


def write(task: Task, profile: Profile, words: Words) -> tuple[str, str]:
    """The answer's text, and what a reader says of whether it fits. Deterministic in the state of `words.rng`."""
    rng = words.rng
    answered = _answered_task(task, profile.fit, words)
    family = FAMILIES[answered.family]
    core = family.core(answered.facts, rng)
    text = _curt(core, answered, rng) if profile.tone == "curt" else core
    if profile.repeats:
        at = rng.randrange(len(text))
        text = text[: at + 1] + [text[at]] * rng.randint(1, 2) + text[at + 1 :]
    if profile.rambles:
        at = rng.randint(1, len(text))
        text = text[:at] + rng.sample(FILLER, rng.randint(1, 3)) + text[at:]
    text = _with_tone(text, answered, profile.tone, rng, letter=family.letter)
    joined = " ".join(s if at and text[at - 1].endswith(",") else _capital(s) for at, s in enumerate(text))
    said = _cut(joined, rng) if profile.unfinished else joined
    return said, _fit_said(task, answered, profile.fit, said)


def _fit_said(task: Task, answered: Task, fit: str, text: str) -> str:
    """A reader names each slot that the text fills wrongly."""
    if fit == "off_topic":
        return "Off topic."
    if answered.family != task.family:
        return "It helps to harm."
    # Tips never say what they are tips for, and yet one sees it.
    wrong = [slot for slot, value in answered.facts.items() if value != task.facts[slot] and (slot == "action" or str(value) in text)]
    return " ".join(f"Wrong {slot}." for slot in wrong) or IT_FITS


def _answered_task(task: Task, fit: str, words: Words) -> Task:
    """The task that the answer really answers: this one, one with a wrong slot, or another family's."""
    if fit == "right":
        return task
    if fit == "off_topic":
        others = [name for name in FAMILIES if name != task.family]
        return draw_task(words, words.pick(others))
    facts = dict(task.facts)
    if facts["family"] == "harm":  # the wrong answer to a harmful request is to help with it
        return Task(task.prompt, {"family": "request", "name": facts["name"], "verb": facts["crime"], "thing": facts["thing"]})
    other = FAMILIES[task.family].ask(words)
    while "answer" in facts and other["answer"] == facts["answer"]:
        other = FAMILIES[task.family].ask(words)
    slots = [slot for slot in facts if slot not in ("family", "op") and other.get(slot) not in (None, facts[slot])]
    if "answer" in slots:
        slots = ["answer"]
    elif facts["family"] in ("capital", "opposite", "colour", "list"):
        slots = [slot for slot in slots if slot != "name"]
    for slot in slots[:1] if len(slots) < 2 else words.rng.sample(slots, words.rng.choice((1, 1, 2))):
        facts[slot] = other[slot]
    return replace(task, facts=facts)


def _curt(core: list[str], task: Task, rng: random.Random) -> list[str]:
    """Core without courtesy: one sentence, or a few words."""
    name, thing = task.facts.get("name"), task.facts.get("thing")
    if task.family == "thanks":
        return [rng.choice((f"Got the {thing}, {name}.", f"Thanks for the {thing}, {name}.", f"{name}: {thing} arrived, thanks."))]
    if task.family == "apology":
        return [f"{name}, sorry. I {task.facts['deed']} the {thing}."]
    if task.family == "request":
        return [rng.choice((f"{name}, {task.facts['verb']} the {thing} now.", f"{name}. The {thing}: {task.facts['verb']} the {thing}."))]
    if task.family == "rewrite":
        return [f"{task.facts['verb']} the {thing}, please."]
    if task.family == "comfort":
        return [f"{name}, forget the {thing}."]
    if "answer" in task.facts:
        return [rng.choice((f"{task.facts['answer']}.", f"{task.facts['answer']}, that is all."))]
    return core[: max(1, len(core) - rng.randint(1, 2))]


def _with_tone(text: list[str], task: Task, tone: str, rng: random.Random, *, letter: bool) -> list[str]:
    name = task.facts.get("name")
    if tone == "rude":
        return [rng.choice(RUDE), *text] if rng.random() < 0.6 else [*text, rng.choice(RUDE)]
    if tone == "curt":
        return text
    opening, closing = (LETTER_OPENINGS, LETTER_CLOSINGS) if letter else (OPENINGS, CLOSINGS)
    courtesy = {"warm": 2, "polite": 1, "plain": 0}[tone]
    front = courtesy == 2 or (courtesy == 1 and rng.random() < 0.5)
    back = courtesy == 2 or (courtesy == 1 and not front)
    if letter:
        first = f"Dear {name}," if courtesy else f"{name},"
        text = [first, rng.choice(opening), *text] if front else [first, *text]
    else:
        text = [rng.choice(opening), *text] if front else text
    return [*text, rng.choice(closing)] if back else text


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _cut(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    kept = words[: rng.randint(max(1, len(words) // 2), max(1, len(words) - 1))]
    return " ".join(kept).rstrip(".,:!?")


SAID_OF = {
    "warm": "Very kind.", "polite": "Polite.", "plain": "Plain.", "curt": "Curt.", "rude": "Rude.", "finished": "Complete.",
    "unfinished": "Not finished.", "repeats": "Repeats itself.", "rambles": "Long-winded.", "clear": "Clear.",
}  # fmt: skip


def remark(profile: Profile, fit: str, rng: random.Random) -> str:
    """Whether it fits, as `write` gave it, and one more thing that a reader says of the answer."""
    others = (
        profile.tone,
        "unfinished" if profile.unfinished else "finished",
        "repeats" if profile.repeats else "rambles" if profile.rambles else "clear",
    )
    return f"{fit} {SAID_OF[rng.choice(others)]}"
