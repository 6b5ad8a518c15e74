"""Checks the forms of names, labels, locations and keys, and refuses wrong ones in the service's wording."""

from __future__ import annotations

import base64
import re
import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from emulator.core import api_errors
from emulator.core.discovery.checks import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
LABELS_AT_MOST = 64
LABEL_LENGTH = 63

# Multi-regions and regions. Dual regions such as nam4 are a switch.
_LOCATION = re.compile(r"us|eu|asia|(?:[a-z]-)?[a-z]+-[a-z]+[0-9]+")
_DUAL = re.compile(r"[a-z]+[0-9]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


def check_name(field: str, value: str) -> None:
    """Names and families: RFC 1035, 63 characters. Raises ApiError 400."""
    if not re.fullmatch(NAME, value):
        raise api_errors.invalid(field, value, f"Must be a match of regex '{NAME}'")


def check_labels(field: str, labels: Mapping[str, str]) -> None:
    """Labels: small letters of any script, digits, `_` and `-`; keys start with a letter. Raises ApiError 400."""
    if len(labels) > LABELS_AT_MOST:
        raise api_errors.invalid(field, f"{len(labels)} labels", f"At most {LABELS_AT_MOST} labels are allowed.")
    for key, value in labels.items():
        if not key or not _letter(key[0]) or not _label_text(key):
            text = (
                f"Label key '{key}' violates format constraints. The key must start with a lowercase character, can "
                "only contain lowercase letters, numeric characters, underscores and dashes. The key can be at most "
                "63 characters long. International characters are allowed."
            )
            raise api_errors.invalid(field, key, text)
        if not _label_text(value):
            text = (
                f"Label value '{value}' violates format constraints. The value can only contain lowercase letters, "
                "numeric characters, underscores and dashes. The value can be at most 63 characters long. "
                "International characters are allowed."
            )
            raise api_errors.invalid(field, value, text)


def _letter(character: str) -> bool:
    return unicodedata.category(character) in {"Ll", "Lo"}


def _label_text(text: str) -> bool:
    if len(text) > LABEL_LENGTH:
        return False
    return all(each in "_-" or _letter(each) or unicodedata.category(each).startswith("N") for each in text)


def locations(given: Sequence[str], *, dual: bool = False, several: bool = False) -> list[str]:
    """The storage locations asked for, one or none unless `several` may be. Raises ApiError 400."""
    if len(given) > 1 and not several:
        text = "Only one storage location can be specified."
        raise api_errors.invalid("resource.storageLocations", ",".join(given), text)
    for each in given:
        if not _LOCATION.fullmatch(each) and not (dual and _DUAL.fullmatch(each)):
            text = "The storage location is not a region or multi-region."
            raise api_errors.invalid("resource.storageLocations", each, text)
    return list(dict.fromkeys(given))


def encryption(key: Mapping[str, Any] | None) -> dict[str, Any]:
    """`imageEncryptionKey` as it is shown: never the raw key, but its SHA-256."""
    if not key:
        return {}
    shown = {name: value for name, value in key.items() if name not in {"rawKey", "rsaEncryptedKey"} and value}
    if raw := key.get("rawKey"):
        shown["sha256"] = base64.b64encode(sha256(decoded(raw) or b"").digest()).decode()
    return {"imageEncryptionKey": shown}


def check_request_id(value: str) -> None:
    """A UUID other than zero. Raises ApiError 400."""
    if not _UUID.fullmatch(value) or UUID(value).int == 0:
        raise api_errors.invalid("requestId", value, "Must be a valid UUID other than zero.")
