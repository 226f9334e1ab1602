"""Words that two people read to each other to see that nobody stands between them.

Both sides hash both public keys in the same order, many times, and say the result as ten words of 256: 80 bits,
and each try of somebody who looks for keys with the same words costs 5,200 hashes (the number of Signal's safety
numbers). The words are short, common, and differ in sound.
"""

from __future__ import annotations

import hashlib
from typing import Final

ROUNDS: Final = 5200
WORD_COUNT: Final = 10

WORDS: Final = tuple(
    """
acorn actor album alley amber ankle apron arrow atlas attic award bacon badge baker bamboo banjo
barn basin basket beach bean beaver bell berry bishop blanket bottle branch brick bridge broom
bucket buffalo bugle butter cabin cactus camel camera candle canoe canyon carpet castle cello
cherry chimney circus clarinet clock clover cobra coffee comet compass coral cotton coyote
cradle crater cricket crown cushion dagger daisy dancer desert diamond dinner doctor dolphin
donkey dragon drummer eagle easel echo elbow elephant emerald engine falcon farmer feather
fiddle finger flag flamingo flute forest fossil fountain galaxy garden garlic giant ginger
giraffe glacier goblet gondola gorilla grape guitar hammer harbor harp hazel helmet heron hill
honey hornet hotel hunter iceberg igloo insect iron island ivory jacket jaguar jasmine jewel
jigsaw jungle kayak kettle kitchen koala ladder lagoon lantern lemon leopard library lily lizard
lobster magnet mango maple marble meadow melon mermaid mirror monkey moon mosaic mountain
mushroom napkin needle nickel noodle north nutmeg oasis ocean octopus olive onion opera orange
orchid otter oven oyster paddle palace panther parrot peach peanut pearl pebble pelican pencil
penguin pepper piano pigeon pillow pilot pirate planet pocket poppy potato pumpkin puppet puzzle
pyramid quartz queen quilt rabbit raccoon radar raven ribbon river robin rocket rose ruby saddle
sailor salmon sandal saxophone scarf shadow shell silver snail sofa spider spoon squirrel statue
sugar sunset swan table teapot temple thunder tiger timber toast tomato topaz tractor trumpet
tulip tunnel turtle umbrella unicorn valley vanilla velvet violin volcano wagon walnut walrus
whale willow window wizard yogurt zebra
    """.split()  # noqa: SIM905 - a list of this length is read as a text
)


def safety_words(one: bytes, other: bytes) -> tuple[str, ...]:
    """Return the words of two public keys, the same whichever comes first."""
    first, second = sorted((one, other))
    found = b"holdfast safety words 1" + first + second
    for _ in range(ROUNDS):
        found = hashlib.sha512(found + first + second).digest()
    return tuple(WORDS[byte] for byte in found[:WORD_COUNT])
