"""Tells which variable of Google's libraries is wrong where they refuse to start for it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from replicator.compute.errors import LIBRARY_VARIABLE, SignInFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Variable → what the libraries say where they can't use its value, and what they take.
_VARIABLES = {
    "GOOGLE_CLOUD_UNIVERSE_DOMAIN": (r"(?i)universe.?domain", "a domain such as googleapis.com"),
    "GOOGLE_API_USE_MTLS_ENDPOINT": (r"GOOGLE_API_USE_MTLS_ENDPOINT", "never, auto or always"),
    "GOOGLE_API_USE_CLIENT_CERTIFICATE": (
        r"GOOGLE_API_USE_CLIENT_CERTIFICATE|(?i:client (ssl )?cert)",
        "true or false, and true only where there is a client certificate",
    ),
    "GOOGLE_API_CERTIFICATE_CONFIG": (r"(?i)certificate.?config", "the path of a certificate's configuration"),
    "GCE_METADATA_TIMEOUT": (r"(?i)invalid literal|could not convert", "a number of seconds"),
    "GCE_METADATA_DETECT_RETRIES": (r"(?i)invalid literal", "a number"),
    "GCE_METADATA_MTLS_MODE": (r"(?i)mtls", "none, strict or default"),
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": (r"PROTOCOL_BUFFERS", "python or upb"),
    "GOOGLE_CLOUD_QUOTA_PROJECT": (r"(?i)header|codec can't encode", "a project's id"),
}


def blamed(error: Exception, env: Mapping[str, str]) -> SignInFailed | None:
    """The failure that names the variable which made a library refuse; None where none did.

    `env` is the process's own, which the libraries read.
    """
    said = f"{type(error).__name__}: {error}"
    for variable, (words, takes) in _VARIABLES.items():
        if variable in env and re.search(words, said):
            what = f"Google's libraries can't use the variable {variable}"
            if not env[variable]:
                what += ", which is empty (set from a variable of the workflow that is not set?)"
            return SignInFailed(LIBRARY_VARIABLE, what, remedy=f"Unset {variable}, or set it to {takes}.")
    return None


def first_set(variables: Iterable[str], env: Mapping[str, str]) -> str:
    """Return the first of the variables that has a value; empty if none has."""
    return next((name for name in variables if env.get(name)), "")
