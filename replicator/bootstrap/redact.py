"""Removes what looks like a credential from text, before anything is printed or kept."""

from __future__ import annotations

TYPE_CHECKING = False


#: One of them stands, in any case, in every text that `redacted` finds anything in; looking for them is far quicker.
_HINTS = ("bearer ", "basic ", "ya29.", "eyj", "private key", "://", "_token", "secret")


def redacted(text: str) -> str:
    """The text without what looks like a credential: an answer may quote the request, an error its configuration.

    Tokens of Google's and of OAuth, keys, passwords in URLs: no text may tell them, wherever it comes from.
    """
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return text
    import re

    return re.sub(
        r"(?ai:(?<=bearer )|(?<=basic ))[^\s'\",<]{6,}"
        r"|\bya29\.[\w.-]+"
        r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
        r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END|$)"
        r"|(?<=://)[^/\s'\"<>]+(?=@)"
        r"|(?ai:(?<=_token['\"]: ['\"])|(?<=_token['\"]:['\"])|(?<=secret['\"]: ['\"])|(?<=secret['\"]:['\"]))[^'\"]+",
        "(secret)",
        text,
        flags=re.DOTALL,
    )
