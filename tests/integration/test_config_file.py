"""A configuration file in a whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.action import Action

KEY = "projects/k/locations/europe/keyRings/r/cryptoKeys/web"


def test_keys(action: Action, tmp_path: Path) -> None:
    action.emulator.add_image(project="p1", name="enc", encrypted=True, public=True)
    (tmp_path / "c.yaml").write_text(f"locations:\n  us:\n  eu: {{kms_key: {KEY}}}\n")
    action.env["GITHUB_WORKSPACE"] = str(tmp_path)
    given = {"source_image": "projects/p1/global/images/enc", "config": "c.yaml"}
    done = action(**given)
    assert done.result == "complete", done.log
    assert action.image("enc-eu")["imageEncryptionKey"]["kmsKeyName"].startswith(KEY)
    mutations = len(action.mutations())
    assert action(**given).column("outcome") == {"us": "source", "eu": "adopted"}
    assert len(action.mutations()) == mutations
    (tmp_path / "c.yaml").write_text(f"locations:\n  eu: {{kms_key: {KEY}2}}\n")
    row = action(**given).replicas["eu"]
    assert row["reason"] == "drift"
    assert f"kmsKeyName: wanted {KEY}2, found {KEY}" in row["message"]
