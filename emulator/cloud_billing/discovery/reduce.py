"""Makes `cloudbilling.v1.json` beside this file from the document that google-api-python-client brings along.

Run with `python -m emulator.cloud_billing.discovery.reduce`. The document nests `skus` in `services` and writes the
service as a part of `parent`; here it is a parameter of its own, as names are in Compute's.
"""

from __future__ import annotations

from typing import Any

from emulator.cloud_billing.discovery import DOCUMENT
from emulator.core.discovery.reduce import installed, reduce, text

METHOD = "cloudbilling.services.skus.list"


def reduced() -> dict[str, Any]:
    """The reduced document."""
    whole = installed(DOCUMENT.name)
    skus = whole["resources"]["services"]["resources"]["skus"]
    found = reduce({**whole, "resources": {**whole["resources"], "skus": skus}}, {METHOD})
    method = found["methods"][METHOD]
    method["flatPath"] = method["flatPath"].replace("{servicesId}", "{service}")
    del method["parameters"]["parent"]
    method["parameters"]["service"] = {"type": "string", "location": "path", "required": True}
    method["parameterOrder"] = ["service"]
    found["batchPath"] = "batch/cloudbilling"
    return found


if __name__ == "__main__":
    DOCUMENT.write_text(text(reduced()), "utf-8")
