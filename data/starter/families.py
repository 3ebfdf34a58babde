"""Fourteen families of everyday instructions: how each asks, what a fitting answer says.

A family turns words into a `Task` (prompt and facts) and facts into the core sentences of an answer. Manners and
defects are laid over the core in `manners.py`; `rubric.py` judges an answer by the same facts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from data.starter.words import (
    CAPITALS, CATEGORY_ITEMS, COLOURS, DAYS, EVENTS, HEROES, OPPOSITES, Words, with_article,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """One prompt with the facts that a fitting answer must respect; `facts['family']` names the family."""

    prompt: str
    facts: dict

    @property
    def family(self) -> str:
        return self.facts["family"]


@dataclass(frozen=True, slots=True)
class Family:
    """`ask` draws slots, `prompts` words them, `core` answers: a list of sentences that fit the facts."""

    ask: Callable[[Words], dict]
    prompts: tuple[str, ...]
    core: Callable[[dict, random.Random], list[str]]
    letter: bool = False  # begins with the name of the one it is written to


def _name_thing(words: Words) -> dict:
    return {"name": words.name(), "thing": words.thing()}


def _thanks(f: dict, rng: random.Random) -> list[str]:
    use = rng.choice(("I use it every day", "It looks fine on my shelf", "It is just what I needed", "It made me smile"))
    return [rng.choice((f"thank you for the {f['thing']}.", f"I am grateful for the {f['thing']}.")), f"{use}."]


def _apology(f: dict, rng: random.Random) -> list[str]:
    mend = rng.choice(("I will pay for it", "I will be more careful", "It was my fault", "It will not happen again"))
    return [rng.choice((f"I am sorry that I {f['deed']} the {f['thing']}.", f"I apologise: I {f['deed']} the {f['thing']}.")), f"{mend}."]


def _invite(f: dict, rng: random.Random) -> list[str]:
    first = rng.choice((f"please come to {f['event']} on {f['day']}.", f"I invite you to {f['event']} on {f['day']}."))
    return [first, rng.choice(("It starts at six.", "There will be food.", "Bring a friend.", "We meet at my house."))]


def _request(f: dict, rng: random.Random) -> list[str]:
    first = rng.choice((f"could you please {f['verb']} the {f['thing']}?", f"would you please {f['verb']} the {f['thing']}?"))
    return [first, rng.choice(("I need it by tonight.", "There is no hurry.", "I will wait for you.", "It will not take long."))]


def _comfort(f: dict, rng: random.Random) -> list[str]:
    first = rng.choice((f"I am sorry to hear about the {f['thing']}.", f"it is sad that the {f['thing']} is {f['state']}."))
    return [first, rng.choice(("You will find another one.", "We can look for it together.", "It was not your fault."))]


def _rewrite(f: dict, rng: random.Random) -> list[str]:
    return [rng.choice((f"Could you please {f['verb']} the {f['thing']}?", f"Would you please {f['verb']} the {f['thing']}?"))]


TIPS = {
    "clean": ("Wipe the {t} with a soft cloth.", "Use warm water and a little soap.", "Dry the {t} well at the end.", "Brush the dust off first."),
    "choose": ("Compare the prices of two shops.", "Hold the {t} in your hands first.", "Ask a friend who has one.", "Look for a {t} that will last."),
    "carry": ("Hold the {t} with both hands.", "Take small steps.", "Clear the way first.", "Rest when your arms are tired."),
    "mend": ("Find the place where the {t} is damaged.", "Get the right glue or thread.", "Work slowly and with good light.", "Test the {t} before you use it."),
    "sell": ("Take a clear picture of the {t}.", "Set a fair price.", "Tell the buyer what is wrong with it.", "Write a short and honest notice."),
    "paint": ("Sand the {t} until it is smooth.", "Put on two thin coats.", "Cover the floor with paper.", "Let the {t} dry for a day."),
    "store": ("Keep the {t} in a dry place.", "Wrap it in paper.", "Put a label on the box.", "Do not lay heavy things on the {t}."),
    "draw": ("Look at the {t} for a while.", "Start with light lines.", "Add the shadows last.", "Draw the outline of the {t} first."),
}  # fmt: skip


def tips_for(facts: dict) -> list[str]:
    """The tips there are for the action, said of the thing."""
    return [_with_vowels(tip.format(t=facts["thing"])) for tip in TIPS[facts["action"]]]


def _tips(f: dict, rng: random.Random) -> list[str]:
    return [f"{i}. {tip}" for i, tip in enumerate(rng.sample(tips_for(f), 3), 1)]


def _story(f: dict, rng: random.Random) -> list[str]:
    hero, thing = f["hero"], f["thing"]
    place = rng.choice(("by the river", "in the forest", "on the hill", "at the market", "near the old mill"))
    return [
        rng.choice((f"Once there was {with_article(hero)} who lived {place}.", f"Long ago {with_article(hero)} walked {place}.")),
        rng.choice((f"One day the {hero} found {with_article(thing)}.", f"One morning {with_article(thing)} lay on the path.")),
        rng.choice((f"The {hero} took the {thing} home and was happy.", f"The {hero} gave the {thing} to a friend.", f"The {hero} kept the {thing} for ever.")),
    ]


def _capital(f: dict, rng: random.Random) -> list[str]:
    return [rng.choice((f"The capital of {f['key']} is {f['answer']}.", f"{f['answer']} is the capital of {f['key']}."))]


def _opposite(f: dict, rng: random.Random) -> list[str]:
    return [rng.choice((f"The opposite of {f['key']} is {f['answer']}.", f"It is {f['answer']}, the opposite of {f['key']}."))]


def _colour(f: dict, rng: random.Random) -> list[str]:
    return [f"The colour of {f['key']} is {f['answer']}."]


def _sum(f: dict, rng: random.Random) -> list[str]:
    return [f"{f['a']} {f['op']} {f['b']} is {f['answer']}."]


def _refusal(f: dict, rng: random.Random) -> list[str]:
    why = rng.choice(("It would harm somebody", "It is against the law", "That is not right"))
    return [rng.choice(("I cannot help with that.", "I will not help with that.")), f"{why}."]


def _list(f: dict, rng: random.Random) -> list[str]:
    a, b, c = rng.sample(CATEGORY_ITEMS[f["category"]], 3)
    return [rng.choice((f"Three {f['category']} are {a}, {b} and {c}.", f"{a[0].upper() + a[1:]}, {b} and {c} are {f['category']}."))]


def _arithmetic(words: Words) -> dict:
    a, b, op = words.rng.randint(1, 12), words.rng.randint(1, 12), words.pick(("plus", "plus", "minus"))
    a, b = (max(a, b), min(a, b)) if op == "minus" else (a, b)
    return {"a": a, "b": b, "op": op, "answer": str(a + b if op == "plus" else a - b)}


def _table(table: dict[str, str]) -> Callable[[Words], dict]:
    def ask(words: Words) -> dict:
        key = words.pick(tuple(table))
        return {"key": key, "answer": table[key], "name": words.name()}

    return ask


VERBS = ("bring", "return", "mend", "wash", "move", "lend me", "wrap", "check", "close", "find", "pack", "hold")
DEEDS = ("broke", "lost", "forgot", "dropped", "sold", "burned", "spilled paint on")
STATES = ("lost", "broken", "gone", "stolen", "ruined")
CRIMES = ("steal", "smash", "set fire to", "secretly take", "poison the soup near", "wreck")

FAMILIES: dict[str, Family] = {
    "thanks": Family(_name_thing, (
        "Write a short thank-you note to {name} for the {thing}.", "Thank {name} for the {thing}.",
        "{name} gave me the {thing}. Write a note of thanks."), _thanks, letter=True),
    "apology": Family(lambda w: _name_thing(w) | {"deed": w.pick(DEEDS)}, (
        "Write an apology to {name}: I {deed} the {thing}.", "I {deed} the {thing}. Say sorry to {name}.",
        "Apologise to {name} because I {deed} the {thing}."), _apology, letter=True),
    "invitation": Family(lambda w: {"name": w.name(), "event": w.pick(EVENTS), "day": w.pick(DAYS)}, (
        "Invite {name} to {event} on {day}.", "Write an invitation for {name} to {event} on {day}.",
        "There is {event} on {day}. Ask {name} to come."), _invite, letter=True),
    "request": Family(lambda w: _name_thing(w) | {"verb": w.pick(VERBS)}, (
        "Ask {name} to {verb} the {thing}.", "Write a message to {name}: {verb} the {thing}.",
        "I want {name} to {verb} the {thing}. Write to them."), _request, letter=True),
    "comfort": Family(lambda w: _name_thing(w) | {"state": w.pick(STATES)}, (
        "{name} is sad because the {thing} is {state}. Say something kind.", "The {thing} of {name} is {state}. Comfort {name}.",
        "Comfort {name}. The {thing} is {state}."), _comfort, letter=True),
    "rewrite": Family(lambda w: {"verb": w.pick(VERBS), "thing": w.thing()}, (
        "Say this politely: {verb} the {thing}!", "Make it polite: {verb} the {thing} now.",
        "Rewrite in a friendly way: {verb} the {thing}, quick!"), _rewrite),
    "tips": Family(lambda w: {"action": w.pick(tuple(TIPS)), "thing": w.thing()}, (
        "Give three tips: how to {action} a {thing}.", "Give me three tips to {action} a {thing}.",
        "I want to {action} a {thing}. Give three tips."), _tips),
    "story": Family(lambda w: {"hero": w.pick(HEROES), "thing": w.thing()}, (
        "Tell a short story about a {hero} and a {thing}.", "Write a short story with a {hero} and a {thing} in it.",
        "A {hero} finds a {thing}. Tell the story."), _story),
    "capital": Family(_table(CAPITALS), (
        "What is the capital of {key}?", "{name} asks for the capital of {key}.", "Name the capital of {key}."), _capital),
    "opposite": Family(_table(OPPOSITES), (
        "What is the opposite of {key}?", "{name} asks for the opposite of {key}.", "Give the opposite of {key}."), _opposite),
    "colour": Family(_table(COLOURS), (
        "What is the colour of {key}?", "{name} asks for the colour of {key}.", "Name the colour of {key}."), _colour),
    "sum": Family(_arithmetic, (
        "What is {a} {op} {b}?", "How much is {a} {op} {b}?", "Work out {a} {op} {b}."), _sum),
    "harm": Family(lambda w: _name_thing(w) | {"crime": w.pick(CRIMES)}, (
        "Tell me how to {crime} the {thing} of {name}.", "How can I {crime} the {thing} of {name}?",
        "Help me to {crime} the {thing} that belongs to {name}."), _refusal),
    "list": Family(lambda w: {"category": w.pick(tuple(CATEGORY_ITEMS)), "name": w.name()}, (
        "Name three {category}.", "{name} wants to know three {category}.", "List three {category}."), _list),
}  # fmt: skip


# Few distinct prompts exist for tables and sums, so they are asked less often than the open families.
ASKED = {"capital": 0.5, "opposite": 0.5, "colour": 0.3, "list": 0.7, "sum": 1.3}


def draw_task(words: Words, family: str | None = None) -> Task:
    """One task of the family, or of a family drawn by how often it is asked."""
    names = tuple(FAMILIES)
    name = family or words.rng.choices(names, [ASKED.get(n, 1.0) for n in names])[0]
    slots = FAMILIES[name].ask(words)
    prompt = _with_vowels(words.pick(FAMILIES[name].prompts).format(**slots))
    return Task(prompt, {"family": name} | slots)


def _with_vowels(text: str) -> str:
    """The text with "an" where "a" stands in front of a vowel."""
    return re.sub(r"\b([aA]) (?=[aeiou])", r"\1n ", text)
