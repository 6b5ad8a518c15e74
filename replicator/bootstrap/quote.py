"""Decides whether a wrong value is quoted to people, or only described: it may be a secret in the wrong place."""

from __future__ import annotations

import re

from replicator.bootstrap.redact import redacted

#: Longer values are described: no name or path that was mistyped is that long, and keys are.
LONGEST = 80

#: What tokens and keys of well-known services begin with.
_PREFIXES = (
    r"gh[oprsu]_\w{8}|github_pat_\w{8}|gl(?:pat|cbt|dt|rt|soat|ptt|ft|imt|agent)-[\w-]{8}"
    r"|ya29\.|AIza[\w-]{8}|GOCSPX-|1//0[\w-]{8}|4/0A[\w-]{8}|GOOG1?[A-Z0-9]{12}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{8}|xox[a-z]-|xapp-|sk-(?:ant|proj)-|[rs]k_(?:live|test)_|whsec_|npm_\w{8}|pypi-\w{8}"
    r"|hv[sb]\.\w{8}|do[opr]_v1_|SG\.[\w-]{8}|dckr_pat_|AGE-SECRET-KEY-|eyJ[\w-]{8}"
)
#: Base64 of what keys and tokens begin with: `-----BEGIN`, `{"` and `{` on a line of its own, DER, the prefixes of
#: GitHub's and Google's tokens.
_ENCODED = (
    r"LS0tLS|ey[AIJ][\w+/-]{8}|ew[o0k][\w+/-]{8}|MI[IGHE][\w+/-]{20}"
    r"|Z2h[vwcyz][\w+/]{8}|Z2l0aHViX3Bhd|Z2xwYXQt|eWEyOS|QUl6Y[\w+/]{8}|R09DU1BYL"
)
_KNOWN = re.compile(rf"(?<![A-Za-z0-9])(?:{_PREFIXES}|{_ENCODED})|PRIVATE KEY|-----BEGIN|-----END")
_RUN = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_HEX = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")
#: Neighbours of different kinds, except a capital before a small letter, as in `Web-Server`.
_CHANGE = re.compile(r"(?=[a-z][A-Z0-9]|[A-Z][0-9]|[0-9][A-Za-z])")
#: A random text changes so once in this number of characters; words and numbers do less often.
_CHANGES = 5
_USER = re.compile(r":/+(?:[^\s/?#]*|[^\s/?#]*:\S*)@")
_JSON = re.compile(r"\s*[\[{].*[\"']", re.DOTALL)


def quoted(value: object) -> str:
    """The value in quotation marks; its kind and length where it is long or may be a secret."""
    text = str(value)
    kind = _kind(text)
    if kind:
        return f"{kind} ({len(text)} characters)"
    return f"'{text}'"


def bare(text: str) -> str:
    """As `quoted`, without the quotation marks: for text that itself says what it quotes."""
    return text if quoted(text).startswith("'") else quoted(text)


def quoted_path(path: str) -> str:
    """As `quoted`, but of any length: how deep its folders lie is nobody's mistake, so each part counts alone."""
    if is_secret(path) or any(_kind(part) for part in path.replace("\\", "/").split("/")):
        return quoted(path)
    return f"'{path}'"


def is_secret(text: str) -> bool:
    """Whether the text may hold a secret: it is no more quoted in parts than as a whole."""
    return _secret(text) != ""


def is_credential(text: str) -> bool:
    """Whether the text certainly holds a key or a token, by how it begins: no setting is ever one."""
    return bool(_KNOWN.search(text))


def _kind(text: str) -> str:
    """What a text is that is not quoted; nothing where it is quoted."""
    if secret := _secret(text):
        return secret
    if len(text.splitlines()) > 1:
        return "a text of several lines"
    return "a text" if len(text) > LONGEST else ""


def _secret(text: str) -> str:
    if "-----" in text or "PRIVATE KEY" in text:
        return "a key or certificate in PEM"
    if _JSON.match(text):
        return "JSON"
    if _USER.search(text) and not is_credential(text):
        return "a URL with a user's name or password"
    if (
        is_credential(text)
        or redacted(text) != text
        or any(map(_is_random, _RUN.findall(text)))
        or _HEX.fullmatch(text)
    ):
        return "what looks like a key or token"
    return ""


def _is_random(run: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdigit)
    return all(any(map(kind, run)) for kind in kinds) and len(_CHANGE.findall(run)) * _CHANGES >= len(run)
