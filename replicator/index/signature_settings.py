"""Declares the settings by which commands verify a file: its signatures, and who must have signed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict

from replicator.bootstrap.quote import quoted
from replicator.inputs.fields import Flag, Option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: The inputs that name the signer of a keyless signature.
_WHO = ("certificate_identity_regexp", "certificate_oidc_issuer")
#: The inputs that say who must have signed.
POLICY = (*_WHO, "key", "trusted_root")
#: The heading of these settings in the help.
HEADING = "who signed"


class IndexSignatures(BaseModel):
    """The signatures over an index."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    bundle: Annotated[str, Option(HEADING, "FILE")] = ""
    """The signature over the index, `image-index.json.sigstore.json`. It needs a policy that says who must have signed:
    `certificate_identity_regexp` and `certificate_oidc_issuer`, or `key`.
    """
    attestation: Annotated[str, Option(HEADING, "FILE")] = ""
    """The signed statement about the index, `image-index.json.intoto.sigstore.json`. It needs a policy, too."""

    @property
    def signatures(self) -> dict[str, str]:
        """The files that sign the index, by their inputs."""
        return {name: file for name in ("bundle", "attestation") if (file := getattr(self, name))}


class PolicySettings(BaseModel):
    """The policy that signatures must meet."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    certificate_identity_regexp: Annotated[str, Option(HEADING, "REGEXP")] = ""
    """The identity that must have signed keyless: a regular expression that matches the whole identity."""
    certificate_oidc_issuer: Annotated[str, Option(HEADING, "URL")] = ""
    """The issuer that must have confirmed that identity: `https://token.actions.githubusercontent.com` for GitHub."""
    key: Annotated[str, Option(HEADING, "FILE")] = ""
    """A file with the public key (PEM) whose private key must have signed."""
    trusted_root: Annotated[str, Option(HEADING, "FILE")] = ""
    """A file with a trusted root of Sigstore, to verify offline or with another Sigstore than the public one."""


class SignerSettings(PolicySettings, IndexSignatures):
    """The signatures over an index, and the policy that they must meet."""


class SignatureSettings(SignerSettings):
    """The same for a command that may end after the signature."""

    offline_only: Annotated[Flag, Option(HEADING)] = False
    """Whether to verify only the signature, without calling an API."""


def problems(
    given: Mapping[str, str], signatures: Sequence[str] = ("bundle", "attestation")
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the signatures and the policy together, as (input, text), from unconverted inputs.

    `signatures` are the inputs that name signatures.
    """
    named = [name for name in POLICY if given.get(name)]
    said = " or ".join(signatures)
    if not any(given.get(name) for name in signatures):
        yield from ((name, f"is a policy for a signature: give {said} as well") for name in named)
        return
    if given.get("key"):
        yield from ((name, "is for keyless signatures; leave it out beside key") for name in named if name != "key")
        return
    yield from (
        (name, f"is required with {said}: say who must have signed, or give key")
        for name in _WHO
        if not given.get(name)
    )
    try:
        re.compile(given.get(_WHO[0], ""))
    except (re.error, OverflowError, RecursionError) as error:
        yield _WHO[0], f"{quoted(given[_WHO[0]])} isn't a valid regular expression: {error}"
