"""The settings that say what signs an index and whose signature it must be, for every command that verifies one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict

from replicator.bootstrap.quote import quoted
from replicator.inputs.fields import Flag, Option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What says whose a keyless signature must be.
_WHO = ("certificate_identity_regexp", "certificate_oidc_issuer")
_SIGNED = "who signed the index"


class SignatureSettings(BaseModel):
    """Signatures and the policy that they must meet."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    bundle: Annotated[str, Option(_SIGNED, "FILE")] = ""
    """The signature over the index, `image-index.json.sigstore.json`. It needs a policy: whose it must be, by
    `certificate_identity_regexp` and `certificate_oidc_issuer`, or by `key`.
    """
    attestation: Annotated[str, Option(_SIGNED, "FILE")] = ""
    """The signed statement about the index, `image-index.json.intoto.sigstore.json`. It needs a policy, too."""
    certificate_identity_regexp: Annotated[str, Option(_SIGNED, "REGEXP")] = ""
    """Who must have signed, keyless: a regular expression for the whole identity."""
    certificate_oidc_issuer: Annotated[str, Option(_SIGNED, "URL")] = ""
    """Who must have confirmed that identity: `https://token.actions.githubusercontent.com` for GitHub."""
    key: Annotated[str, Option(_SIGNED, "FILE")] = ""
    """A file with the public key, in PEM, that must have signed."""
    trusted_root: Annotated[str, Option(_SIGNED, "FILE")] = ""
    """A file with a trusted root of Sigstore, for verifying offline, or for another Sigstore than the public one."""
    offline_only: Annotated[Flag, Option(_SIGNED)] = False
    """Whether to verify the signature alone, and ask no API."""

    @property
    def signatures(self) -> dict[str, str]:
        """The files that sign the index, by their inputs."""
        return {name: file for name in ("bundle", "attestation") if (file := getattr(self, name))}


def problems(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with signatures and policy together, as (input, text); before anything is converted."""
    named = [name for name in (*_WHO, "key", "trusted_root") if given.get(name)]
    if not given.get("bundle") and not given.get("attestation"):
        yield from ((name, "is a policy for a signature: give bundle or attestation as well") for name in named)
        if given.get("offline_only", "false").lower() == "true":
            yield "offline_only", "leaves the signature alone to verify: give bundle or attestation"
        return
    if given.get("key"):
        yield from ((name, "is for keyless signatures; leave it out beside key") for name in named if name != "key")
        return
    yield from (
        (name, "is missing: a signature says nothing until it is said whose it must be; or give key")
        for name in _WHO
        if not given.get(name)
    )
    try:
        re.compile(given.get(_WHO[0], ""))
    except (re.error, OverflowError, RecursionError) as error:
        yield _WHO[0], f"{quoted(given[_WHO[0]])} is no regular expression: {error}"
