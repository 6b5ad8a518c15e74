"""Speaks to Forgejo and Gitea, where their API differs from GitHub's."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from replicator.commands.release import errors as rows
from replicator.commands.release.artifacts import Body
from replicator.commands.release.forges.github import Forge, _sha
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from replicator.commands.release.artifacts import Artifact
    from replicator.commands.release.plan import Asset, Release


class Gitea(Forge):
    """The API of Gitea and of Forgejo, `/api/v1`."""

    name = "gitea"
    largest = None
    pages = ("limit", 50)
    _safe: ClassVar[str] = ""

    def tag_commit(self, tag: str) -> str:
        """Return the commit that a tag is at; empty if there is no tag of exactly this name (Gitea ignores case)."""
        answer = self.door.call("GET", f"{self.base}/tags/{quote(tag, safe='')}")
        if answer.status == 404:
            return ""
        body = self._right(answer, "read the tag")
        return _sha(body["commit"]["sha"]) if body.get("name") == tag else ""

    def create_tag(self, tag: str, commit: str) -> None:
        """Create a tag at a commit. That it exists already isn't a failure: it is read afterwards."""
        self._create_tag(f"{self.base}/tags", {"tag_name": tag, "target": commit}, tag)

    def assets(self, release: Release) -> list[Asset] | None:
        """Return the assets of a release, which come in one answer; None if it is gone."""
        answer = self.door.call("GET", f"{self.base}/releases/{release.id}/assets")
        if answer.status == 404:
            return None
        if answer.status != 200 or not isinstance(answer.body, list):
            raise rows.other(answer, "list assets")
        return [self._asset(item) for item in answer.body]

    def upload(self, release: Release, name: str, artifact: Artifact) -> None:
        """Upload a file under a name, as a form: the only kind that all versions of both take."""
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="attachment"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        # `upload_url` carries the host of ROOT_URL, whatever address was asked.
        url = f"{self.base}/releases/{release.id}/assets?name={quote(name, safe='')}"
        self._uploaded(self.door.call("POST", url, data=Body(artifact, head, tail), headers=headers), name)

    def _place(self, release: Release, asset: Asset) -> str:
        return f"/releases/{release.id}/assets/{asset.id}"

    def _content(self, _release: Release, asset: Asset) -> str:
        # By its UUID: of two assets of one name, the address with the name serves only one.
        if not re.fullmatch(r"[0-9a-fA-F-]{36}", asset.uuid):
            raise ReplicatorError(rows.UNREACHABLE, f"The forge names no UUID of the asset {asset.name}")
        return f"{self.server}/{self.repository}/attachments/{asset.uuid}"
