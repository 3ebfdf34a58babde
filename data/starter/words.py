"""The starter's words: names by the thousand, things by the thousand, and small tables of facts.

Names are put together from two halves and things from a colour, size or matter and a noun, so that a model has to
copy them from its prompt instead of remembering a list. One name in eight and every eighth noun are held out:
they stand in test prompts only, and no training text contains them.
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
NOUNS = (
    "apple apron armchair bag ball banjo basket bell belt bench bicycle blanket boat book boot bottle bowl box bracelet "
    "bread broom brush bucket button cabinet cake camera candle cap card carpet cart chair chest clock coat comb compass "
    "cookie cup curtain cushion desk diary dish doll door drawer dress drum envelope fan feather fence flag flute fork "
    "frame garden gate glass globe glove guitar hammer handbag harp hat helmet honey horn jacket jar jug kettle key kite "
    "knife ladder lamp lantern letter lock locket map mask medal melon mirror mitten mop mug necklace needle notebook oar "
    "oven paddle painting pan parcel pear pen pencil piano picture pie pillow pipe plate plum poster pot pump purse "
    "puzzle quilt radio rake ribbon ring robe rope rose rug ruler saddle sandal saucer saw scarf shawl shelf shirt shoe "
    "shovel sled slipper soap sofa soup spade spoon stamp statue stool stove suitcase sweater swing table teapot tent "
    "ticket toaster torch towel toy tray trumpet trunk tulip umbrella vase vest violin wagon wallet watch whistle "
    "wreath yarn zipper"
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


# Words that the fixed tables use anyway cannot be held out.
_TABLE_WORDS = {item for items in CATEGORY_ITEMS.values() for item in items}
_SPOKEN = _TABLE_WORDS | set(KINDS)
NAMES, _names = _split([start + end for start in STARTS for end in ENDS])
_free, _nouns = _split([noun for noun in NOUNS if noun not in _TABLE_WORDS])
TRAIN_NOUNS = tuple(sorted(set(_free) | (set(NOUNS) & _TABLE_WORDS)))
HELD_OUT_NAMES = tuple(name for name in _names if name.lower() not in _SPOKEN)
HELD_OUT_NOUNS = tuple(noun for noun in _nouns if noun not in _SPOKEN)


class Words:
    """Draws names and things from the training words, or from the held-out ones."""

    def __init__(self, rng: random.Random, held_out: bool = False):
        self.rng = rng
        self.names = HELD_OUT_NAMES if held_out else NAMES
        self.nouns = HELD_OUT_NOUNS if held_out else TRAIN_NOUNS

    def name(self) -> str:
        return self.rng.choice(self.names)

    def thing(self) -> str:
        noun = self.rng.choice(self.nouns)
        return f"{self.rng.choice(KINDS)} {noun}" if self.rng.random() < 0.7 else noun

    def pick(self, options):
        return self.rng.choice(options)


def with_article(thing: str) -> str:
    return f"{'an' if thing[0].lower() in 'aeiou' else 'a'} {thing}"
