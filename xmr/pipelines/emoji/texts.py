"""Writes the English texts of the emoji data set: a name, keyword lists, and a name in its category."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

KEYWORDS_PER_TEXT = 5
MIN_TEXTS = 3
PEOPLE = ("woman", "man", "women", "men", "person", "people", "girl", "boy")
_STOP_WORDS = {"a", "an", "and", "at", "for", "in", "it", "its", "me", "no", "not", "of", "oh", "on", "or"}
_STOP_WORDS |= {"so", "the", "this", "to", "with", "you"}
_CRUDE_WORDS = {"ass", "crap", "kills", "pissed", "sexy", "shit", "shitface", "terrorism"}
_PEOPLE_WORDS = {*PEOPLE, "girls", "boys", "female", "male", "human", "adult"}
_CODE = re.compile(r"u?(?=[a-f]*\d)[0-9a-f]{4,5}|.*[a-z]\d.*")
_CLOCK_TIME = re.compile(r"\d{1,2}:\d\d")


@dataclass(frozen=True)
class Source:
    """What the packages say of one emoji: its name, its category, and keywords from two hands."""

    name: str
    category: str
    curated: tuple[str, ...]
    """Keywords of CLDR and emojibase."""
    crowd: tuple[str, ...]
    """Keywords of emojilib."""


def readable_name(label: str) -> str:
    """A CLDR short name as plain lowercase English: `man: red hair` -> `man with red hair`."""
    name = re.sub("[“”]", "", label.lower()).replace("’", "'")
    subject, _, trait = name.partition(": ")
    if trait == "bald":
        return f"bald {subject}"
    if trait.endswith("hair"):
        return f"{subject} with {trait}"
    return f"{subject} with a beard" if trait == "beard" else name.replace(":", "")


def clean_keyword(keyword: str) -> str:
    """`keyword` in lowercase, words parted by one space; "" for emoticons, codes, symbols and crude words."""
    text = unicodedata.normalize("NFC", keyword).lower().replace("_", " ").replace("’", "'")
    text = " ".join(text.split())
    if _CLOCK_TIME.fullmatch(text):
        return text
    letters = [char for char in text if char.isalpha()]
    if len(letters) < 2 or not all("LATIN" in unicodedata.name(char) for char in letters):
        return ""
    plain = all(char.isalnum() or char in " -'" for char in text) and not _CODE.fullmatch(text)
    return text if plain and text not in _STOP_WORDS | _CRUDE_WORDS else ""


def words(text: str) -> frozenset[str]:
    """The words of `text` without their endings, to tell near-duplicates."""
    found = re.findall(r"[\w:]+", text.replace("'s ", " "))
    return frozenset(
        re.sub("(ing|ers?|ed|ies|es|s|e|y)$", "", word) if len(word) > 2 else word for word in found
    )


def write_texts(sources: Mapping[str, Source]) -> dict[str, tuple[str, ...]]:
    """For each emoji 3 to 5 texts (fewer where the packages say too little), its name first.

    No two emoji share a text, in whatever order its words stand.
    """
    drafts = {key: _keyword_lists(source) for key, source in sources.items()}
    uses = Counter(words(_line(s, keywords)) for key, s in sources.items() for keywords in drafts[key])
    taken = {words(source.name) for source in sources.values()}
    texts = {}
    for key, source in sources.items():
        lists = drafts[key]
        # one keyword, or a list that other emoji share, says too little without the name
        alone = [len(keywords) > 1 and uses[words(_line(source, keywords))] == 1 for keywords in lists]
        lines = [
            _line(source, keywords) if enough else ", ".join([source.name, *keywords])
            for keywords, enough in zip(lists, alone, strict=True)
        ]
        if lists and all(alone):
            lines.append(", ".join([source.name, *(keywords[0] for keywords in lists)]))
        kept = [source.name, *_untaken(lines, taken)]
        if len(kept) < MIN_TEXTS:
            kept += _untaken([f"{source.name}, {source.category}"], taken)
        texts[key] = tuple(kept)
    return texts


def _line(source: Source, keywords: Sequence[str]) -> str:
    """The keywords as one text; a person's leads with man, woman..., as the rest fits each of them."""
    person = next((word for word in re.findall(r"\w+", source.name) if word in PEOPLE), None)
    return ", ".join([person, *keywords] if person else keywords)


def _untaken(lines: Iterable[str], taken: set[frozenset[str]]) -> list[str]:
    """The lines whose set of words is not among `taken`; adds them to it."""
    kept = []
    for line in lines:
        if words(line) not in taken:
            taken.add(words(line))
            kept.append(line)
    return kept


def _keyword_lists(source: Source) -> list[list[str]]:
    """Up to three lists of keywords that share no word: two of CLDR's, one of emojilib's."""
    known = {words(source.name)}
    curated = _new_keywords(source, source.curated, known)
    crowd = _new_keywords(source, source.crowd, known)
    halves = [curated[0::2], curated[1::2]] if len(curated) > KEYWORDS_PER_TEXT else [curated]
    return [keywords[:KEYWORDS_PER_TEXT] for keywords in (*halves, crowd) if keywords]


def _new_keywords(source: Source, keywords: Sequence[str], known: set[frozenset[str]]) -> list[str]:
    """The keywords that say something the name, or one of `known`, doesn't; adds them to `known`."""
    in_name = words(source.name)
    squashed = re.sub(r"\W", "", source.name)
    kept = []
    for keyword in map(clean_keyword, keywords):
        these = words(keyword)
        repeats = these <= in_name or these in known or re.sub(r"\W", "", keyword) in squashed
        if keyword and not repeats and keyword not in _PEOPLE_WORDS:
            known.add(these)
            kept.append(keyword)
    return kept
