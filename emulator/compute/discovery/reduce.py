"""Makes `compute.v1.json` beside this file from the document that google-api-python-client brings along.

Run with `python -m emulator.compute.discovery.reduce`.
"""

from __future__ import annotations

from emulator.compute.discovery import DOCUMENT
from emulator.core.discovery.reduce import installed, reduce, text

KEPT = frozenset(
    {
        "compute.disks.aggregatedList",
        "compute.disks.delete",
        "compute.disks.get",
        "compute.disks.insert",
        "compute.globalOperations.aggregatedList",
        "compute.globalOperations.delete",
        "compute.globalOperations.get",
        "compute.globalOperations.list",
        "compute.globalOperations.wait",
        "compute.imageFamilyViews.get",
        "compute.imageViews.get",
        "compute.imageViews.list",
        "compute.images.delete",
        "compute.images.deprecate",
        "compute.images.get",
        "compute.images.getFromFamily",
        "compute.images.getIamPolicy",
        "compute.images.insert",
        "compute.images.list",
        "compute.images.patch",
        "compute.images.setIamPolicy",
        "compute.images.setLabels",
        "compute.images.testIamPermissions",
        "compute.instanceTemplates.aggregatedList",
        "compute.instanceTemplates.delete",
        "compute.instanceTemplates.get",
        "compute.instanceTemplates.insert",
        "compute.instanceTemplates.list",
        "compute.regionInstanceTemplates.delete",
        "compute.regionInstanceTemplates.get",
        "compute.regionInstanceTemplates.insert",
        "compute.regionInstanceTemplates.list",
        "compute.regionOperations.get",
        "compute.regionOperations.wait",
        "compute.zoneOperations.get",
        "compute.zoneOperations.wait",
    }
)

if __name__ == "__main__":
    DOCUMENT.write_text(text(reduce(installed(DOCUMENT.name), KEPT)), "utf-8")
