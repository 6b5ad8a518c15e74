"""`registry` signed in by the real google-auth: credentials that need a token before the first call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import google.oauth2.credentials
from google.auth.compute_engine import _metadata

from emulator.testing import running
from testkit.identity import OAUTH, Identity
from testkit.registry.mirroring import SHORT, Registry

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_person_makes_the_mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)
    with running(scenario={"repository_seconds": 0}) as emulator, Identity() as identity:
        monkeypatch.setattr(google.oauth2.credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{identity.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(identity.user(tmp_path)))
        identity.guard(emulator, ("artifactregistry.*",))
        registry = Registry(emulator, tmp_path)
        registry.action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
        done = registry("ensure", **SHORT)
        assert (done.exit_code, done.result) == (0, "complete"), done.log
        assert identity.asked[OAUTH]
        assert all(entry["principal"] for entry in emulator.journal())
