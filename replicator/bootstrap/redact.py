"""Removes credentials (tokens, keys, passwords in URLs) from texts of services before they are printed or stored."""

from __future__ import annotations

TYPE_CHECKING = False


#: Every match of the regex contains one of these substrings (in any case); checking them first is much faster.
_HINTS = ("bearer ", "basic ", "ya29.", "eyj", "private key", "://", "_token", "secret")


def redacted(text: str) -> str:
    """Return the text with everything that looks like a credential replaced by `(secret)`.

    Covers Google's and OAuth's tokens, private keys, and passwords in URLs. Any text may hold one: an answer may quote
    the request, an error its configuration.
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
