"""Verifying a signed index of 2 x 43 entries: offline it takes less than a second of CPU beyond what imports take, online
one list call for each project and one policy read for each image that is said to be public, and nothing else.
"""

from __future__ import annotations

import copy
import io
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import sigstore.verify  # noqa: F401 - what imports cost is not counted

from replicator.__main__ import main
from replicator.commands.verify import settings
from replicator.core.replicas import Sign
from replicator.index import image_index, provenance, sign, verify_signature
from testkit.signing import world

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running
    from replicator.index.sign import Signer

WHOLE = world.document(43)


def seconds(folder: Path, signer: Signer, **policy: str) -> float:
    """CPU that the verification of both bundles takes, with reading files and index."""
    data = image_index.to_bytes(WHOLE)
    for name, signed in zip(("bundle", "attestation"), signer.sign(data, provenance.statement(WHOLE, {})), strict=True):
        (folder / name).write_bytes(signed)
    given = {"index": "I", "bundle": str(folder / "bundle"), "attestation": str(folder / "attestation"), **policy}
    began = time.process_time()
    wanted = settings.load({**given, "offline_only": "true"}, {}).settings
    assert verify_signature.verify(
        data, wanted.signatures, verify_signature.policy(wanted, {}, offline=True)
    ).digest == image_index.digest(data)
    assert sum(len(entry.locations) for entry in image_index.parse(data, folder).images) == 2 * 43
    return time.process_time() - began


def test_keyless(tmp_path: Path) -> None:
    if lacking := world.lacking():
        pytest.skip(lacking)
    with world.sigstore(tmp_path) as service:
        signer = sign.KeylessSigner(service.environment())
        root = str(tmp_path / "trusted_root.json")
        who = {"certificate_identity_regexp": world.POLICY, "certificate_oidc_issuer": world.ISSUER}
        assert seconds(tmp_path, signer, trusted_root=root, **who) < 1


def test_with_a_key(tmp_path: Path) -> None:
    pem = world.private_key()
    (tmp_path / "key.pub").write_bytes(world.public_key(pem))
    signer = sign.signer(Sign.KEY, {"SIGNING_KEY": pem})
    assert signer
    assert seconds(tmp_path, signer, key=str(tmp_path / "key.pub")) < 1


def published(emulator: Running) -> dict[str, Any]:
    """The index again, of images that are there: each architecture in a project of its own, every third one private."""
    document = copy.deepcopy(WHOLE)
    for number, entry in enumerate(document["images"]):
        project = f"project-{number}"
        made = {"architecture": entry["architecture"], "disk_size_gb": 20}
        source = emulator.add_image(project=project, name=entry["source"]["name"], family="web", **made)
        named(entry["source"], project, source["id"])
        for place, (location, served) in enumerate(sorted(entry["locations"].items())):
            image = emulator.add_image(
                project=project,
                name=served["name"],
                location=location,
                family=served["family"],
                labels=served["labels"],
                **made,
                public=bool(place % 3),
                source_image=source["selfLink"],
                source_image_id=source["id"],
            )
            named(served, project, image["id"])
            served.update(public=bool(place % 3), source_image_id=source["id"], copied_from=entry["source"]["uri"])
    return document


def named(image: dict[str, Any], project: str, identity: str) -> None:
    image.update(project=project, id=identity, uri=f"projects/{project}/global/images/{image['name']}")


def test_calls(emulator: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, pem = published(emulator), world.private_key()
    data = image_index.to_bytes(document)
    signer = sign.signer(Sign.KEY, {"SIGNING_KEY": pem})
    assert signer
    bundle, attestation = signer.sign(data, provenance.statement(document, {}))
    texts = {"index": data, "bundle": bundle, "attestation": attestation, "key": world.public_key(pem)}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": emulator.url, "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}
    stdout = io.StringIO()
    code = main(
        ["verify", "--json", *(part for name in texts for part in (f"--{name}", str(tmp_path / name)))], env, stdout
    )
    found = json.loads(stdout.getvalue())
    assert (code, found["result"], len(found["findings"])) == (0, "correct", 2 * 43), capsys.readouterr().err
    public = [
        served["uri"] for entry in document["images"] for served in entry["locations"].values() if served["public"]
    ]
    assert Counter((entry["method"], entry["target"]) for entry in emulator.journal()) == {
        **{("compute.images.list", f"projects/project-{number}/global/images"): 1 for number in (0, 1)},
        **{("compute.images.getIamPolicy", uri): 1 for uri in public},
    }
    assert len(public) == 2 * 28
