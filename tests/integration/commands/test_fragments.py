"""A merged index has the same digest on every machine."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from replicator.index import image_index
from testkit.fragments import merged_bytes
from testkit.places import ROOT


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "0"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"},
        {"LC_ALL": "de_DE.ISO-8859-1", "TZ": "America/St_Johns", "PYTHONHASHSEED": "2", "PYTHONUTF8": "0"},
    ],
    ids=lambda env: env["LC_ALL"],
)
def test_digest_does_not_depend_on_the_machine(env: dict[str, str]) -> None:
    program = (
        "import random; from replicator.index import image_index; from testkit.fragments import merged_bytes; "
        "print(image_index.digest(merged_bytes(random.Random())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == image_index.digest(merged_bytes(random.Random(0)))
