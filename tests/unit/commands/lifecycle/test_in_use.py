"""Which instance templates name an image, in all forms that the API takes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from replicator.commands.lifecycle import in_use
from replicator.compute import waits
from replicator.compute.lifecycle import clock
from replicator.core.images import Image, ImageRef, Template


def image(project: str) -> Image:
    """An image `web-v1` with the id 4711."""
    return Image(
        ref=ImageRef(project, "web-v1"),
        id="4711",
        status="READY",
        created=datetime(2026, 11, 1, tzinfo=UTC),
        storage_locations=("us",),
        source_image=None,
        source_image_id="",
        family="web",
        description="",
        labels={},
        label_fingerprint="f",
        disk_size_gb=10,
        archive_size_bytes=1,
        architecture="X86_64",
        guest_os_features=frozenset(),
        licenses=frozenset(),
        deprecated="",
        encryption="",
    )


WEB = image("p1")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("projects/p1/global/images/web-v1", True),
        ("https://www.googleapis.com/compute/v1/projects/p1/global/images/web-v1", True),
        ("https://compute.example.com/compute/beta/projects/p1/global/images/web-v1", True),
        ("global/images/web-v1", True),
        ("web-v1", True),
        ("4711", True),
        ("projects/p1/global/images/4711", True),
        ("projects/p9/global/images/4711", True),
        ("projects/123456/global/images/web-v1", True),
        ("projects/p1/global/images/web%2Dv1", True),
        ("projects/p9/global/images/web-v1", False),
        ("projects/p1/global/images/web-v10", False),
        ("projects/p1/global/images/family/web", False),
        ("projects/p1/global/images/family/web-v1", False),
        ("projects/p1/global/snapshots/web-v1", False),
        ("global/images/web-v2", False),
        ("", False),
    ],
)
def test_forms(text: str, *, names: bool) -> None:
    template = Template(project="p1", name="global/instanceTemplates/batch", images=("x", text))
    assert in_use.users(WEB, [template]) == ((template,) if names else ())


def test_a_part_without_project_is_of_the_template_s_own() -> None:
    template = Template(project="p9", name="regions/us-west1/instanceTemplates/batch", images=("global/images/web-v1",))
    assert in_use.users(WEB, [template]) == ()
    assert in_use.users(image("p9"), [template]) == (template,)
    assert template.uri == "projects/p9/regions/us-west1/instanceTemplates/batch"


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-29T00:00:00Z", "\x00", "Sun, 99 Nov 2026 00:00:00 GMT"])
def test_a_header_that_is_no_date_tells_nothing(text: str) -> None:
    assert clock.heard(text, waits.now()) is None
