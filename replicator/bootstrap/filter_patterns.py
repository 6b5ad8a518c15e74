"""Matches tags by GitHub's filter patterns, as in `on.push.tags`: in order, and `!` excludes.

Standard library only and Python 3.8, without `re`, because a skipped run uses it. What would be a regular expression's
is refused and not taken literally: the author of `^v[0-9]+$` means something else than GitHub's patterns say.
Source of the rules: GitHub's "Workflow syntax", section "Filter pattern cheat sheet".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FOREIGN = "^$(){}|"


class BadPattern(ValueError):
    """A pattern that means nothing; the message says why, and quotes nothing of it but one character."""


class _Part:
    """A set of characters, one of which a tag must have next."""

    def __init__(self, accepts: Callable[[str], bool], skips: int = 0, again: bool = False) -> None:
        self.accepts = accepts
        self.skips = skips
        """How many parts, this one first, the tag may do without."""
        self.again = again
        """Whether the tag may have several of them."""


class Pattern:
    """One pattern. Raises BadPattern."""

    def __init__(self, text: str) -> None:
        self.excludes = text.startswith("!")
        bare = text[1:] if self.excludes else text
        if not bare:
            raise BadPattern("is empty")
        self._parts = _parts(bare)

    def matches(self, tag: str) -> bool:
        """Whether the whole tag is what the pattern says; `excludes` says what follows from that."""
        places = self._from(0)
        for char in tag:
            following = set()
            for place in places:
                if place < len(self._parts) and self._parts[place].accepts(char):
                    following |= self._from(place + 1)
                    if self._parts[place].again:
                        # Not by `_from`: a part that was met is not left out any more, nor what is left out with it.
                        following.add(place)
            places = following
        return len(self._parts) in places

    def _from(self, place: int) -> set[int]:
        """The places in the pattern that can be next at this one."""
        found = {place}
        while place < len(self._parts) and self._parts[place].skips:
            place += self._parts[place].skips
            found.add(place)
        return found


def matches(patterns: Sequence[Pattern], tag: str) -> bool:
    """Whether a tag is meant: the last pattern that matches it decides, and none means no."""
    meant = False
    for pattern in patterns:
        if meant is pattern.excludes and pattern.matches(tag):
            meant = not meant
    return meant


def problem(text: str) -> str:
    """Why a text isn't a pattern of GitHub's; nothing where it is one."""
    try:
        Pattern(text)
    except BadPattern as error:
        return str(error)
    return ""


def _parts(text: str) -> list[_Part]:
    parts: list[_Part] = []
    single = False
    """Whether what was read last is one character, which `?` and `+` can follow."""
    at = 0
    while at < len(text):
        char = text[at]
        before, single = single, False
        if text.startswith("**/", at):
            parts += [_Part(_any, skips=2, again=True), _Part("/".__eq__)]
            at += 3
        elif char == "*":
            both = text.startswith("**", at)
            parts.append(_Part(_any if both else "/".__ne__, skips=1, again=True))
            at += 2 if both else 1
        elif char in "?+":
            if not before:
                raise BadPattern(f"has a '{char}' that follows no character: it means the character before it")
            parts[-1].skips, parts[-1].again = int(char == "?"), char == "+"
            at += 1
        else:
            single = True
            accepts, at = _character(text, at)
            parts.append(_Part(accepts))
    return parts


def _any(_char: str) -> bool:
    return True


def _character(text: str, at: int) -> tuple[Callable[[str], bool], int]:
    """What one character must be, and where the pattern goes on."""
    char = text[at]
    if char == "[":
        end = text.find("]", at)
        if end < 0:
            raise BadPattern("has a '[' that is not closed")
        return _listed(text[at + 1 : end]).__contains__, end + 1
    if char == "\\":
        if at + 1 == len(text):
            raise BadPattern("ends with a '\\'")
        return text[at + 1].__eq__, at + 2
    if char in _FOREIGN:
        raise BadPattern(
            f"has a '{char}', which means nothing in GitHub's filter patterns: they are no regular expressions; "
            f"write '\\{char}' where a tag has one"
        )
    return char.__eq__, at + 1


def _listed(text: str) -> frozenset[str]:
    """The characters between brackets."""
    if not text:
        raise BadPattern("has an empty '[]'")
    found: set[str] = set()
    at = 0
    while at < len(text):
        is_range = text[at + 1 : at + 2] == "-"
        ends = text[at] + text[at + 2 : at + 3] if is_range else text[at] * 2
        if len(ends) < 2 or not ends.isascii() or not (ends.isalpha() or ends.isdigit()) or ends[0] > ends[1]:
            raise BadPattern("has brackets with something else than letters, digits and ranges of them, as in [a-z0-9]")
        found.update(map(chr, range(ord(ends[0]), ord(ends[1]) + 1)))
        at += 3 if is_range else 1
    return frozenset(found)
