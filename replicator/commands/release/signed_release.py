"""Verifies what signs a release: `SHA256SUMS` by its bundle, the index by its bundle and its statement."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.commands.release import names
from replicator.index import errors as index_errors
from replicator.index import image_index, verify_signature
from replicator.index.errors import SignatureWrong
from replicator.index.sign import ATTESTATION_NAME, BUNDLE_NAME
from replicator.index.signature_settings import SignerSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from replicator.commands.release.forges.github import Forge
    from replicator.commands.release.plan import Asset, Release
    from replicator.commands.release.settings import ShowSettings

_RECORD = frozenset({image_index.FILE_NAME, BUNDLE_NAME, ATTESTATION_NAME})
#: Bytes. A bundle has some kilobytes, an index of every region some hundred.
_LARGEST = 2**24


@dataclass(frozen=True, slots=True)
class Signed:
    """A release whose signatures are to be verified, and by whom they must be."""

    forge: Forge
    release: Release
    assets: Mapping[str, Asset]
    wanted: ShowSettings
    env: Mapping[str, str]

    def sums(self, data: bytes, listed: Collection[str]) -> str:
        """Verify `SHA256SUMS`, and return who signed it. Raises SignatureWrong, and ReplicatorError as `verify` does.

        Empty where it lists nothing but an index and what signs that: then `index` says who signed.
        """
        if names.SUMS_BUNDLE not in self.assets and _RECORD.issuperset(listed) and image_index.FILE_NAME in listed:
            return ""
        return self._verified(data, {"bundle": names.SUMS_BUNDLE})

    def index(self, sha256: str) -> str:
        """Verify the index, whose digest `SHA256SUMS` tells, by what signs it here, and return who signed it.

        Empty where nothing but `SHA256SUMS` does. Raises as `sums` does.
        """
        named = {"bundle": BUNDLE_NAME, "attestation": ATTESTATION_NAME}
        there = {option: name for option, name in named.items() if name in self.assets}
        if not there and names.SUMS_BUNDLE in self.assets:
            return ""
        if not there:
            raise SignatureWrong(index_errors.BUNDLE_UNUSABLE, f"Nothing signs {image_index.FILE_NAME}")
        data = self._content(image_index.FILE_NAME)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SignatureWrong(index_errors.OTHER_FILE, f"{image_index.FILE_NAME} isn't what {names.SUMS} says")
        return self._verified(data, there)

    def _verified(self, data: bytes, signatures: Mapping[str, str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            given = {}
            for option, name in signatures.items():
                path = Path(folder, name)
                path.write_bytes(self._content(name))
                given[option] = str(path)
            settings = SignerSettings(**given, **self.wanted.policy)
            policy = verify_signature.policy(settings, self.env)
            try:
                return verify_signature.verify(data, settings.signatures, policy).by
            except SignatureWrong as error:
                raise SignatureWrong(error.advice, error.what.replace(f"{folder}/", "")) from None

    def _content(self, name: str) -> bytes:
        asset = self.assets.get(name)
        if asset is None or asset.size > _LARGEST:
            raise SignatureWrong(index_errors.BUNDLE_UNUSABLE, f"There is no usable {name}")
        data = b""
        for piece in self.forge.content(self.release, asset):
            data += piece
            if len(data) > _LARGEST:
                raise SignatureWrong(index_errors.BUNDLE_UNUSABLE, f"{name} is larger than it says")
        return data
