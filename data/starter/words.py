"""The starter's words: names by the thousand, things by the thousand, and small tables of facts.

Names and nouns are put together from two halves (Mel-dor, moon-kettle), things from a colour, size or matter and a noun,
so that a model has to copy them piece by piece from its prompt instead of remembering a list. One name and one noun in
eight are held out: they stand in test prompts only, and no training text contains them, though it contains their halves.
"""

from __future__ import annotations

import hashlib
import random

STARTS = (
    "Al An Ar Bel Ben Bor Bri Cal Car Cel Con Da Del Dor Ed El Em Er Fa Fen Flo Gar Gi Gre Hal Han Hel Il In Is Ja Jel "
    "Jo Ka Kel Kir La Len Lin Lo Mar Mel Mi Mor Na Nel Nor Ol Or Pa Per Pri Ra Ren Ro Sa Sel Si Sol Ta Tel Tor Ul Va "
    "Vel Vi Wen Wil Yo Za Zel"
).split()
ENDS = (
    "a ana bert bin da del den dor dra fin gar ia ina ka kin la lan len lia lin lo lon mar min mon na nas nel nia no "
    "nor ra ran ri ria ric rin ro ron ry sa sen sha son ta tan ten ti tin tor va van ven vin von wen win ya yan zo"
).split()
FRONTS = (
    "apple bird brook cat cloud corn day dew door dust fern field fire fish fog foot garden hand hay heart hill honey house "
    "ivy king lake leaf lemon milk mill moon moss night nut oak plum pond rain reed rice river road rose sand school sea "
    "ship snow star stone storm straw street sun tea thunder tower town tree wall water wheat wind winter wood"
).split()
BACKS = (
    "bag ball band basket bell belt bench blanket board boat book boot bottle bowl box broom brush bucket button cap card "
    "carpet chair clock cloth coat comb cup curtain drum fan flag flute fork frame glass glove harp hat horn jar jug kettle "
    "key kite knife ladder lamp lock map mask mirror mug pan pen pin pipe plate pot ring rope rug scarf shelf shoe spoon "
    "stool tent tray vest whistle"
).split()
KINDS = (
    "red blue green yellow white black brown grey pink purple orange golden silver striped spotted wooden metal paper "
    "glass leather woollen silk old new small big tiny heavy light round square tall broken pretty simple strange plain "
    "painted folded borrowed"
).split()
HEROES = (
    "baker farmer sailor teacher doctor painter tailor gardener singer miller fisher driver hunter smith clown king queen "
    "prince pilot nurse fox bear cat dog horse mouse goat rabbit duck owl lion wolf hen frog sheep donkey crow turtle "
    "monkey elephant"
).split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
EVENTS = (
    "a picnic|a concert|a dinner|a birthday party|a tea party|a football game|a dance|a film evening|a bonfire|a lunch|"
    "a wedding|a garden party|a boat trip|a chess game|a book club|a poetry night"
).split("|")

CAPITALS = dict(
    France="Paris", Spain="Madrid", Italy="Rome", Greece="Athens", Norway="Oslo", Sweden="Stockholm", Finland="Helsinki",
    Denmark="Copenhagen", Poland="Warsaw", Austria="Vienna", Hungary="Budapest", Portugal="Lisbon", Ireland="Dublin",
    Egypt="Cairo", Kenya="Nairobi", Japan="Tokyo", China="Beijing", Korea="Seoul", India="Delhi", Russia="Moscow",
    Turkey="Ankara", Cuba="Havana", Peru="Lima", Chile="Santiago", Canada="Ottawa", Germany="Berlin", Iran="Tehran",
    Iraq="Baghdad", Belgium="Brussels", Iceland="Reykjavik",
)  # fmt: skip
OPPOSITES = dict(
    hot="cold", big="small", tall="short", fast="slow", early="late", happy="sad", hard="soft", light="dark", full="empty",
    open="closed", rich="poor", strong="weak", young="old", dry="wet", loud="quiet", clean="dirty", thick="thin",
    near="far", high="low", sweet="sour", smooth="rough", wide="narrow", brave="afraid", easy="difficult",
)  # fmt: skip
COLOURS = dict(
    grass="green", snow="white", coal="black", blood="red", lemons="yellow", carrots="orange", chocolate="brown", milk="white",
    tomatoes="red", ravens="black", swans="white", frogs="green", sunflowers="yellow", elephants="grey", flamingos="pink",
)  # fmt: skip
CATEGORIES = {
    "animals": "dog cat horse cow sheep goat lion tiger bear wolf fox rabbit mouse elephant monkey",
    "fruits": "apple pear plum cherry peach lemon orange banana grape melon fig mango kiwi",
    "vegetables": "carrot potato onion cabbage bean pea leek spinach turnip pumpkin garlic beet",
    "colours": "red blue green yellow white black brown grey pink purple orange",
    "tools": "hammer saw drill axe chisel pliers wrench file shovel rake spade",
    "drinks": "water tea coffee milk juice lemonade cocoa cider soda",
    "birds": "owl crow duck hen swan robin eagle parrot sparrow goose raven",
    "countries": "France Spain Italy Greece Norway Sweden Poland Egypt Kenya Japan China India Peru Chile",
    "instruments": "piano violin guitar flute drum harp trumpet cello banjo organ",
    "sports": "football tennis hockey rowing boxing golf cricket judo rugby skiing",
    "trees": "oak pine birch maple willow elm cedar beech ash poplar",
    "clothes": "shirt coat hat scarf sock shoe glove dress jacket skirt vest belt",
}
CATEGORY_ITEMS = {name: tuple(items.split()) for name, items in CATEGORIES.items()}
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five")


def _held_out(word: str) -> bool:
    """One word in eight, by hash, so that the choice never depends on order or seed."""
    return hashlib.sha256(word.lower().encode()).digest()[0] < 32


def _split(words: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    unique = sorted(set(words))
    return tuple(w for w in unique if not _held_out(w)), tuple(w for w in unique if _held_out(w))


NAMES, _names = _split([start + end for start in STARTS for end in ENDS])
NOUNS, HELD_OUT_NOUNS = _split([front + back for front in FRONTS for back in BACKS])
# A name that is also an everyday word cannot be held out.
_SPOKEN = {item for items in CATEGORY_ITEMS.values() for item in items} | set(KINDS)
HELD_OUT_NAMES = tuple(name for name in _names if name.lower() not in _SPOKEN)


class Words:
    """Draws names and things from the training words, or from the held-out ones."""

    def __init__(self, rng: random.Random, held_out: bool = False):
        self.rng = rng
        self.names = HELD_OUT_NAMES if held_out else NAMES
        self.nouns = HELD_OUT_NOUNS if held_out else NOUNS

    def name(self) -> str:
        return self.rng.choice(self.names)

    def thing(self) -> str:
        noun = self.rng.choice(self.nouns)
        return f"{self.rng.choice(KINDS)} {noun}" if self.rng.random() < 0.7 else noun

    def pick(self, options):
        return self.rng.choice(options)


def with_article(thing: str) -> str:
    return f"{'an' if thing[0].lower() in 'aeiou' else 'a'} {thing}"
