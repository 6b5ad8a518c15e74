"""The environment in which gcloud runs by itself, with a configuration of its own and no questions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def gcloud_env(folder: Path, **more: str) -> dict[str, str]:
    """Nothing of the caller's but the way to gcloud and its Python; `more` says what it speaks to."""
    return {
        **{name: os.environ[name] for name in ("PATH", "CLOUDSDK_PYTHON") if name in os.environ},
        "HOME": str(folder),
        "CLOUDSDK_CONFIG": str(folder / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        **more,
    }
