"""Tells which emoji are looks of one concept, and in which words one look becomes another."""

from dataclasses import dataclass

SKIN_TONES = {1: "light", 2: "medium-light", 3: "medium", 4: "medium-dark", 5: "dark"}
_GENDER_SIGNS = {"2640": "woman", "2642": "man"}
_ADULTS = {"1f9d1": "person", "1f469": "woman", "1f468": "man"}
_TRAITS = {
    "1f9b0": "with red hair",
    "1f9b1": "with curly hair",
    "1f9b2": "bald",
    "1f9b3": "with white hair",
    "1f471": "with blond hair",
    "1f9d4": "with a beard",
}
# Unicode gave these a code point for each gender, with nothing in it to tell: hexcode -> (kind, gender).
_SEPARATE = {
    "1f9d2": ("child", "child"),
    "1f466": ("child", "boy"),
    "1f467": ("child", "girl"),
    "1f9d3": ("old", "person"),
    "1f474": ("old", "man"),
    "1f475": ("old", "woman"),
    "1fac5": ("crown", "person"),
    "1f934": ("crown", "man"),
    "1f478": ("crown", "woman"),
    "1fac4": ("pregnant", "person"),
    "1fac3": ("pregnant", "man"),
    "1f930": ("pregnant", "woman"),
    "1f9d1-200d-1f384": ("claus", "person"),
    "1f385": ("claus", "man"),
    "1f936": ("claus", "woman"),
    "1f57a": ("dancing", "man"),
    "1f483": ("dancing", "woman"),
}
# Pictures of one idea that no edit in words would turn into each other: hexcode -> concept.
_SAME_IDEA = {"2640": "gender", "2642": "gender", "1f6b9": "room", "1f6ba": "room", "1f931": "person-1f37c"}
_PLURAL_KINDS = {"1f46f", "1f93c"}
_PLURALS = {"person": "people", "woman": "women", "man": "men"}
_NEUTRAL = {"person", "child"}


@dataclass(frozen=True)
class Look:
    """What an emoji shows: a kind (astronaut), a gender ("" for none) and a trait such as red hair."""

    kind: str
    gender: str = ""
    trait: str = ""


def look_of(hexcode: str) -> Look:
    """The look of an emoji without skin tone, from its code points joined by `-`."""
    if hexcode in _SAME_IDEA:
        return Look(hexcode)
    if hexcode in _SEPARATE:
        return Look(*_SEPARATE[hexcode])
    kinds, gender, trait = [], "", ""
    for part in hexcode.split("-"):
        if part in _TRAITS:
            trait = _TRAITS[part]
        elif part in _GENDER_SIGNS:
            gender = _GENDER_SIGNS[part]
        elif part in _ADULTS:
            gender = _ADULTS[part]
            kinds.append("person")
        elif part != "200d":
            kinds.append(part)
    if trait and not kinds:  # the blond and the bearded person have no adult's code point
        kinds, gender = ["person"], gender or "person"
    return Look("-".join(kinds), gender, trait)


def concept_of(hexcode: str, subgroup: str) -> str:
    """Equal for all looks of one concept; portraits (babies, elders, hair) are all one concept."""
    return "person" if subgroup == "person" else _SAME_IDEA.get(hexcode, look_of(hexcode).kind)


def edit_text(reference: Look, target: Look) -> str:
    """`the same, but a woman`: how the target differs, or "" if not in gender alone or one added trait."""
    if reference.kind != target.kind or reference == target:
        return ""
    if reference.gender == target.gender:
        return f"the same, but {target.trait}" if not reference.trait else ""
    if reference.trait != target.trait:
        return ""
    if target.gender in {"", *_NEUTRAL}:
        return "the same, but of no particular gender"
    return (
        f"the same, but {_PLURALS[target.gender]}"
        if target.kind in _PLURAL_KINDS
        else (f"the same, but a {target.gender}")
    )
