"""Speaks to GitHub about repository, tags, releases and assets; `gitea` says what Forgejo and Gitea do otherwise.

Each call returns small values of our own, and turns a refusal into the reason that people are told.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import quote, urlsplit

import requests

from replicator.commands.release import errors as rows
from replicator.commands.release.artifacts import Body
from replicator.commands.release.forges.http import Unclear, origin
from replicator.commands.release.plan import Asset, Release
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from replicator.commands.release.artifacts import Artifact
    from replicator.commands.release.forges.answer import Answer
    from replicator.commands.release.forges.http import Door

_T = TypeVar("_T")
_MOST_PAGES = 100
_DEEPEST_TAG = 5
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class Forge:
    """GitHub's API, of github.com or of GitHub Enterprise."""

    name: ClassVar[str] = "github"
    largest: ClassVar[int | None] = 2**31 - 1
    """The largest file, in bytes; None where the server decides."""
    pages: ClassVar[tuple[str, int]] = ("per_page", 100)

    def __init__(self, door: Door, api: str, server: str, repository: str) -> None:
        self.door = door
        self.repository = repository
        self.server = server
        self._api = api
        self.base = f"{api}/repos/{repository}"

    # Repository and tags

    def check_repository(self, *, write: bool = True) -> None:
        """Raise ReplicatorError unless the repository can be read, and takes releases."""
        body = self._get("", rows.NOT_FOUND if not self.door.token else rows.FORBIDDEN)
        if write and body.get("archived") is True:
            raise ReplicatorError(rows.ARCHIVED, f"The repository {self.repository} is archived")
        if write and body.get("empty") is True:
            raise ReplicatorError(rows.REPOSITORY_EMPTY, f"The repository {self.repository} is empty")

    def tag_commit(self, tag: str) -> str:
        """Return the commit that a tag is at in the end; empty if there is no such tag."""
        answer = self.door.call("GET", f"{self.base}/git/ref/tags/{quote(tag, safe='/')}")
        if answer.status == 404:
            return ""
        if answer.status == 409:
            raise ReplicatorError(rows.REPOSITORY_EMPTY, f"The repository {self.repository} is empty")
        body = self._right(answer, "read the tag")
        if body.get("ref") != f"refs/tags/{tag}":
            return ""
        target = body["object"]
        for _ in range(_DEEPEST_TAG):
            if target["type"] != "tag":
                break
            target = self._get(f"/git/tags/{_sha(target['sha'])}")["object"]
        return _sha(target["sha"]) if target["type"] == "commit" else f"{target['type']} {_sha(target['sha'])}"

    def create_tag(self, tag: str, commit: str) -> None:
        """Create a tag at a commit. That it exists already isn't a failure: it is read afterwards."""
        self._create_tag(f"{self.base}/git/refs", {"ref": f"refs/tags/{tag}", "sha": commit}, tag)

    def _create_tag(self, url: str, payload: Mapping[str, str], tag: str) -> None:
        answer = self.door.call("POST", url, payload=payload)
        if answer.status not in {201, 409} and not (answer.status == 422 and "exist" in answer.said.lower()):
            raise rows.of_tag(answer, tag)

    # Releases

    def releases(self, tag: str) -> list[Release]:
        """Return the releases of a tag, drafts included, which no call by tag returns."""
        items = self._pages("/releases") or ()
        return [release for item in items if (release := self._release(item)).tag == tag]

    def published(self, tag: str) -> Release | None:
        """Return the published release of a tag, as everybody sees it."""
        answer = self.door.call("GET", f"{self.base}/releases/tags/{quote(tag, safe=self._safe)}")
        if answer.status == 404:
            return None
        release = self._release(self._right(answer, "read the release"))
        return release if release.tag == tag and not release.draft else None

    def create_draft(self, tag: str, commit: str, fields: Mapping[str, Any]) -> Release:
        """Create a draft of a tag that exists."""
        payload = {"tag_name": tag, "target_commitish": commit, "draft": True, **fields}
        answer = self.door.call("POST", f"{self.base}/releases", payload=payload)
        if answer.status == 409:
            raise Unclear(answer.said)
        if answer.status != 201:
            raise rows.of_release(answer, tag, github=self.name == "github")
        return self._release(answer.body)

    def publish(self, release: Release, fields: Mapping[str, Any]) -> None:
        """Make a draft public."""
        payload = {"draft": False, "tag_name": release.tag, **fields}
        answer = self.door.call("PATCH", f"{self.base}/releases/{release.id}", payload=payload)
        if answer.status == 404:
            raise Unclear(answer.said)
        if answer.status != 200:
            raise rows.of_release(answer, release.tag, github=self.name == "github")

    def delete_draft(self, release: Release) -> None:
        """Delete a draft that this run made and that is empty."""
        self._gone(f"/releases/{release.id}", "delete a draft")

    # Assets

    def assets(self, release: Release) -> list[Asset] | None:
        """Return the assets of a release; None if it is gone, as a draft may be that another run had twice."""
        items = self._pages(f"/releases/{release.id}/assets")
        return None if items is None else [self._asset(item) for item in items]

    def upload(self, release: Release, name: str, artifact: Artifact) -> None:
        """Upload a file under a name."""
        headers = {"Content-Type": "application/octet-stream"}
        body = Body(artifact) if artifact.wanted.size else b""
        url = f"{self._uploads(release)}?name={quote(name, safe='')}"
        self._uploaded(self.door.call("POST", url, data=body, headers=headers), name)

    def rename(self, release: Release, asset: Asset, name: str) -> None:
        """Give an asset another name."""
        answer = self.door.call("PATCH", self.base + self._place(release, asset), payload={"name": name})
        if answer.status not in {200, 201, 404, 422}:
            raise rows.of_asset(answer, name)

    def delete_asset(self, release: Release, asset: Asset) -> None:
        """Delete an asset."""
        self._gone(self._place(release, asset), "delete an asset")

    def digest(self, release: Release, asset: Asset) -> str:
        """Return the SHA-256 of what an asset holds, in hexadecimal, by reading it."""
        digest = hashlib.sha256()
        for piece in self.content(release, asset):
            digest.update(piece)
        return digest.hexdigest()

    def content(self, release: Release, asset: Asset) -> Iterator[bytes]:
        """Yield what an asset holds. Raises ReplicatorError."""
        try:
            yield from self.door.download(self._content(release, asset))
        except (requests.RequestException, OSError) as error:
            lost = self.door.lost(error, self._content(release, asset))
            what = f"The asset {asset.name} could not be read: {lost.text}"
            raise ReplicatorError(rows.UNREACHABLE, what, remedy=lost.remedy) from None

    # What Forgejo and Gitea do otherwise

    _safe: ClassVar[str] = "/"

    def _uploads(self, release: Release) -> str:
        """Return the address for uploads. Raises ReplicatorError unless it is one of GitHub's for this release."""
        url = release.upload_url.partition("{")[0]
        path = f"/repos/{self.repository}/releases/{release.id}/assets"
        if origin(url) not in self.door.origins or not urlsplit(url).path.lower().endswith(path.lower()):
            what = f"The forge names {origin(url) or 'no host'} for uploads"
            raise ReplicatorError(rows.FOREIGN_HOST, what)
        return url

    def _place(self, _release: Release, asset: Asset) -> str:
        return f"/releases/assets/{asset.id}"

    def _content(self, _release: Release, asset: Asset) -> str:
        return f"{self.base}/releases/assets/{asset.id}"

    # Answers

    def _uploaded(self, answer: Answer, name: str) -> None:
        if answer.status == 201:
            return
        if answer.status == 404 or (answer.status == 422 and "already_exists" in answer.said):
            raise Unclear(answer.said)
        raise rows.of_asset(answer, name)

    def _gone(self, path: str, doing: str) -> None:
        answer = self.door.call("DELETE", f"{self.base}{path}")
        if answer.status not in {204, 404}:
            raise rows.other(answer, doing)

    def _get(self, path: str, missing: Any = rows.NOT_FOUND) -> dict[str, Any]:
        answer = self.door.call("GET", f"{self.base}{path}")
        if answer.status == 404:
            raise ReplicatorError(missing, f"{self.server} shows no repository {self.repository} to this token")
        return self._right(answer, "read the repository")

    def _right(self, answer: Answer, doing: str) -> dict[str, Any]:
        if answer.status != 200:
            raise rows.other(answer, doing)
        if not isinstance(answer.body, dict):
            raise ReplicatorError(rows.UNREACHABLE, f"The forge's answer to {doing} isn't an object")
        return answer.body

    def _pages(self, path: str) -> list[dict[str, Any]] | None:
        """Return all items of a list; None if there is no such list."""
        # By number and not by the Link header, whose host would be the forge's word.
        parameter, size = self.pages
        items: list[dict[str, Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            answer = self.door.call("GET", f"{self.base}{path}?{parameter}={size}&page={page}")
            if answer.status == 404:
                return None
            if answer.status != 200 or not isinstance(answer.body, list):
                raise rows.other(answer, "list releases")
            items += answer.body
            if not answer.body or (len(answer.body) < size and self.name == "github"):
                return items
        raise ReplicatorError(rows.UNREACHABLE, f"The forge lists more than {_MOST_PAGES} pages of releases")

    def _release(self, item: dict[str, Any]) -> Release:
        return _parsed(
            lambda: Release(
                id=_number(item["id"]),
                tag=str(item["tag_name"]),
                draft=bool(item["draft"]),
                notes=str(item.get("body") or ""),
                title=str(item.get("name") or ""),
                immutable=item.get("immutable") is True,
                url=str(item.get("html_url") or ""),
                upload_url=str(item.get("upload_url") or ""),
            )
        )

    def _asset(self, item: dict[str, Any]) -> Asset:
        kind, _, sha256 = str(item.get("digest") or "").partition(":")
        return _parsed(
            lambda: Asset(
                id=_number(item["id"]),
                name=str(item["name"]),
                size=_number(item["size"]),
                sha256=sha256 if kind == "sha256" else "",
                whole=item.get("state", "uploaded") == "uploaded",
                url=str(item.get("browser_download_url") or ""),
                uuid=str(item.get("uuid") or ""),
            )
        )


def _parsed(make: Callable[[], _T]) -> _T:
    try:
        return make()
    except (KeyError, TypeError, ValueError) as error:
        what = f"The forge's answer lacks what it must have ({type(error).__name__})"
        raise ReplicatorError(rows.UNREACHABLE, what) from None


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("not a number")
    return value


def _sha(value: object) -> str:
    if not _SHA.fullmatch(str(value)):
        raise ReplicatorError(rows.UNREACHABLE, "The forge's answer names no commit")
    return str(value)
