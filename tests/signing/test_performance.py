"""Verifying a signed index of 2 x 43 entries offline takes less than a second of CPU beyond what imports take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import sigstore.verify  # noqa: F401 - what imports cost is not counted

from replicator import index, provenance, signing, trust, verify_settings
from replicator.model import Sign
from tests.signing import world

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.signing import Signer

WHOLE = world.document(43)


def seconds(folder: Path, signer: Signer, **policy: str) -> float:
    """CPU that the verification of both bundles takes, with reading files and index."""
    data = index.to_bytes(WHOLE)
    for name, signed in zip(("bundle", "attestation"), signer.sign(data, provenance.statement(WHOLE, {})), strict=True):
        (folder / name).write_bytes(signed)
    given = {"index": "I", "bundle": str(folder / "bundle"), "attestation": str(folder / "attestation"), **policy}
    began = time.process_time()
    wanted = verify_settings.load({**given, "offline_only": "true"}, {}).settings
    assert trust.verify(data, wanted.signatures, trust.policy(wanted)).digest == index.digest(data)
    assert sum(len(entry.locations) for entry in index.parse(data, folder).images) == 2 * 43
    return time.process_time() - began


def test_keyless(tmp_path: Path) -> None:
    if lacking := world.lacking():
        pytest.skip(lacking)
    with world.sigstore(tmp_path) as service:
        signer = signing.KeylessSigner(service.environment())
        root = str(tmp_path / "trusted_root.json")
        who = {"certificate_identity_regexp": world.POLICY, "certificate_oidc_issuer": world.ISSUER}
        assert seconds(tmp_path, signer, trusted_root=root, **who) < 1


def test_with_a_key(tmp_path: Path) -> None:
    pem = world.private_key()
    (tmp_path / "key.pub").write_bytes(world.public_key(pem))
    signer = signing.signer(Sign.KEY, {"SIGNING_KEY": pem})
    assert signer
    assert seconds(tmp_path, signer, key=str(tmp_path / "key.pub")) < 1
