"""Makes `cloudresourcemanager.v3.json` beside this file from the document that google-api-python-client brings along.

Run with `python -m emulator.resource_manager.discovery.reduce`. The document writes the project as a part of
`resource`; here it is a parameter of its own, as in Compute's.
"""

from __future__ import annotations

from emulator.core.discovery.reduce import installed, reduce, text
from emulator.resource_manager.discovery import DOCUMENT

METHOD = "cloudresourcemanager.projects.testIamPermissions"

if __name__ == "__main__":
    reduced = reduce(installed(DOCUMENT.name), {METHOD})
    method = reduced["methods"][METHOD]
    method["flatPath"] = method["flatPath"].replace("{projectsId}", "{project}")
    method["parameters"] = {"project": {"type": "string", "location": "path", "required": True}}
    method["parameterOrder"] = ["project"]
    reduced["batchPath"] = "batch/cloudresourcemanager"
    DOCUMENT.write_text(text(reduced), "utf-8")
