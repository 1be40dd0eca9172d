"""Says in English what a scene of shapes shows, and how it could be changed."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from xmr.data.shape_scenes import CELLS, COLOURS, MAX_THINGS, SHAPES, SIZES, Scene, Thing, pick

MAX_EDITS = 5
"""How many kinds of edits every scene allows."""
NUMBERS = ("no", "one", "two", "three", "four")
_COLUMNS = ("on the left", "in the middle", "on the right")
_ROWS = ("top", "middle", "bottom")

Edit = tuple[str, Scene]
"""What to do to a scene, and the scene that comes of it."""


def describe(scene: Scene, rng: Random) -> tuple[str, ...]:
    """Five true sentences; the first three tell all there is, each in its own form."""
    return (
        _sentence(_clauses([f"{_a(thing)} is in the {CELLS[thing.cell]}" for thing in scene])),
        _sentence(_rows(scene)),
        _sentence(_groups(scene)),
        _sentence(_relation(scene, rng)),
        _sentence(_count(scene, rng)),
    )


def draw_edits(scene: Scene, rng: Random, count: int) -> list[Edit]:
    """`count` (at most `MAX_EDITS`) edits of different kinds."""
    kinds: list[Callable[[Scene, Random], Edit]] = [_recolour, _resize, _reshape, _move]
    if len(scene) > 1:
        kinds.append(_remove)
    if len(scene) < MAX_THINGS:
        kinds.append(_add)
    return [kind(scene, rng) for kind in sorted(kinds, key=lambda _: rng.random())[:count]]


def _recolour(scene: Scene, rng: Random) -> Edit:
    old = pick(rng, scene)
    new = old._replace(colour=pick(rng, [colour for colour in COLOURS if colour != old.colour]))
    return f"make the {_name(old, scene)} {new.colour}", _swap(scene, old, new)


def _resize(scene: Scene, rng: Random) -> Edit:
    old = pick(rng, scene)
    new = old._replace(size=SIZES[1 - SIZES.index(old.size)])
    return f"make the {_name(old, scene)} {new.size}", _swap(scene, old, new)


def _reshape(scene: Scene, rng: Random) -> Edit:
    old = pick(rng, scene)
    new = old._replace(shape=pick(rng, [shape for shape in SHAPES if shape != old.shape]))
    return f"turn the {_name(old, scene)} into a {new.shape}", _swap(scene, old, new)


def _move(scene: Scene, rng: Random) -> Edit:
    old = pick(rng, scene)
    new = old._replace(cell=pick(rng, _free_cells(scene)))
    return f"move the {_name(old, scene)} to the {CELLS[new.cell]}", _swap(scene, old, new)


def _remove(scene: Scene, rng: Random) -> Edit:
    old = pick(rng, scene)
    return f"remove the {_name(old, scene)}", _swap(scene, old)


def _add(scene: Scene, rng: Random) -> Edit:
    cell = pick(rng, _free_cells(scene))
    new = Thing(cell, pick(rng, SIZES), pick(rng, tuple(COLOURS)), pick(rng, SHAPES))
    return f"add {_a(new)} in the {CELLS[new.cell]}", tuple(sorted((*scene, new)))


def _free_cells(scene: Scene) -> list[int]:
    taken = {thing.cell for thing in scene}
    return [cell for cell in range(9) if cell not in taken]


def _swap(scene: Scene, old: Thing, *new: Thing) -> Scene:
    return tuple(sorted((*(thing for thing in scene if thing != old), *new)))


def _name(thing: Thing, scene: Scene) -> str:
    """The fewest words that fit no other thing of the scene: `star`, `red star`, `small red star`..."""
    others = [other for other in scene if other != thing]
    for fields in (("shape",), ("colour", "shape"), ("size", "shape"), ("size", "colour", "shape")):
        if all(any(getattr(thing, f) != getattr(other, f) for f in fields) for other in others):
            return " ".join(getattr(thing, field) for field in fields)
    return f"{_kind(thing)} in the {CELLS[thing.cell]}"


def _kind(thing: Thing) -> str:
    return f"{thing.size} {thing.colour} {thing.shape}"


def _a(thing: Thing) -> str:
    return f"a {_kind(thing)}"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}es" if noun.endswith("ss") else f"{noun}s"


def _join(parts: Sequence[str]) -> str:
    """`x`, `x and y`, `x, y, and z`."""
    return " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _clauses(parts: Sequence[str]) -> str:
    """`x`, `x, and y`, `x, y, and z`: for parts that are long, or sentences of their own."""
    return ", ".join([*parts[:-1], f"and {parts[-1]}" if len(parts) > 1 else parts[-1]])


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


def _rows(scene: Scene) -> str:
    """`the top row has a ... on the left, and the other rows are empty`."""
    clauses = []
    for row, name in enumerate(_ROWS):
        things = [f"{_a(thing)} {_COLUMNS[thing.cell % 3]}" for thing in scene if thing.cell // 3 == row]
        if things:
            clauses.append(f"the {name} row has {_join(things)}")
    empty = len(_ROWS) - len(clauses)
    if empty:
        clauses.append("the other row is empty" if empty == 1 else "the other rows are empty")
    return _clauses(clauses)


def _groups(scene: Scene) -> str:
    """`there are three objects: two small red stars in the center and the top left, and one ...`."""
    places: dict[str, list[str]] = {}
    for thing in scene:
        places.setdefault(_kind(thing), []).append(f"the {CELLS[thing.cell]}")
    parts = [f"{NUMBERS[len(p)]} {_plural(kind, len(p))} in {_join(p)}" for kind, p in places.items()]
    verb, noun = ("is", "object") if len(scene) == 1 else ("are", "objects")
    return f"there {verb} {NUMBERS[len(scene)]} {noun}: {_clauses(parts)}"


def _relation(scene: Scene, rng: Random) -> str:
    """How one thing lies to another: `the star is above and to the left of a small red circle`."""
    if len(scene) == 1:
        (thing,) = scene
        return f"the {thing.shape} is {thing.size} and {thing.colour}"
    first = pick(rng, scene)
    second = pick(rng, [thing for thing in scene if thing != first])
    (row, column), (other_row, other_column) = divmod(first.cell, 3), divmod(second.cell, 3)
    directions = []
    if row != other_row:
        directions.append("above" if row < other_row else "below")
    if column != other_column:
        directions.append(f"to the {'left' if column < other_column else 'right'} of")
    kinds = Counter(_kind(thing) for thing in scene)
    subject, target = (f"the {_name(t, scene)}" if kinds[_kind(t)] == 1 else _a(t) for t in (first, second))
    if _kind(first) == _kind(second):
        target = f"another {_kind(second)}"
    return f"{subject} is {' and '.join(directions)} {target}"


def _count(scene: Scene, rng: Random) -> str:
    """How many things have which shape, colour or size: `two objects are red and one is blue`."""
    field = pick(rng, ("shape", "colour", "size"))
    counts = Counter(getattr(thing, field) for thing in scene).most_common()
    if field == "shape":
        verb = "is" if counts[0][1] == 1 else "are"
        return f"there {verb} {_join([f'{NUMBERS[n]} {_plural(shape, n)}' for shape, n in counts])}"
    if len(scene) == 1:
        return f"the only object is {counts[0][0]}"
    if len(counts) == 1:
        everything = "both" if len(scene) == 2 else f"all {NUMBERS[len(scene)]}"
        return f"{everything} objects are {counts[0][0]}"
    (value, n), *rest = counts
    first = f"{NUMBERS[n]} {_plural('object', n)} {'is' if n == 1 else 'are'} {value}"
    return _join([first, *(f"{NUMBERS[n]} {'is' if n == 1 else 'are'} {value}" for value, n in rest)])
