"""GitHub's releases, refs, tags and runs in memory: the backend of a `Front`, each request and answer checked by its OpenAPI.

What it takes from reports and not from the document (docs/releases.md says so): drafts that no call by tag returns,
several drafts of one tag, `starter` assets, renamed names, immutable releases, tags that they burn, and 404 for a commit
that changes workflows.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from testkit.forges import openapi
from testkit.forges.front import Request, Response, as_json
from testkit.forges.github_runs import Runs

NOW = "2026-01-02T03:04:05Z"
_PREFIX = re.compile(r"/api/(v3|uploads)(?=/)")


@dataclass
class Held:
    """A release, with its assets and what they hold."""

    id: int
    fields: dict[str, Any]
    assets: dict[int, dict[str, Any]] = field(default_factory=dict)
    content: dict[int, bytes] = field(default_factory=dict)


@dataclass
class GitHub(Runs):
    """One repository of one GitHub. `url` is set once the server listens."""

    url: str = ""
    token: str = "ghs_right"
    tags: dict[str, str] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    annotated: dict[str, str] = field(default_factory=dict)
    """Tag objects: their SHA → the commit that they are about."""
    releases: dict[int, Held] = field(default_factory=dict)
    immutable: bool = False
    """Whether releases are immutable once they are published."""
    burned: set[str] = field(default_factory=set)
    changes_workflows: bool = False
    digests: bool = True
    archived: bool = False
    upload_host: str = ""
    content_host: str = ""
    starter: int = 0
    """How many uploads leave an asset in the state `starter`, and answer 502."""
    next_id: int = 100

    def __post_init__(self) -> None:
        """No run yet."""
        Runs.__init__(self)

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        parts = urlsplit(_PREFIX.sub("", request.target, count=1))
        if parts.path.startswith("/logs/"):
            return self.stored(parts.path, request)
        if parts.path.startswith("/content/"):
            assert not request.headers.get("authorization"), "the token followed a redirect"
            return Response(
                200, self._find(int(parts.path.rsplit("/", 1)[1])).content[int(parts.path.rsplit("/", 1)[1])]
            )
        template, named = openapi.route(unquote(parts.path))
        method = request.method.lower()
        openapi.check_request(template, method, parts.query, request.body)
        if request.headers.get("authorization", "") not in {f"token {self.token}", f"Bearer {self.token}"}:
            return as_json(401, {"message": "Bad credentials"})
        if named["owner"] != "acme":
            return as_json(404, {"message": "Not Found"})
        name = f"_{method}_" + re.sub(r"\W+", "_", template.removeprefix("/repos/{owner}/{repo}")).strip("_")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        body = json.loads(request.body) if request.body and "uploads" not in request.target else request.body
        response: Response = getattr(self, name)(named, query, body, request)
        if response.headers.get("Content-Type") == "application/json" and response.status != 401:
            openapi.check_answer(template, method, response.status, json.loads(response.body))
        return response

    # The repository, its refs and tags

    def _get_(self, *_: Any) -> Response:
        return as_json(200, {"archived": self.archived, "full_name": "acme/images"})

    def _get_git_ref_ref(self, named: dict[str, str], *_: Any) -> Response:
        space, name = named["ref"].split("/", 1)
        if space == "heads" and name in self.branches:
            return as_json(200, self._ref(name, self.branches[name], "commit", kind="heads"))
        if space != "tags" or name not in self.tags:
            return as_json(404, {"message": "Not Found"})
        sha = self.tags[name]
        return as_json(200, self._ref(name, sha, "tag" if sha in self.annotated else "commit"))

    def _get_git_tags_tag_sha(self, named: dict[str, str], *_: Any) -> Response:
        sha = named["tag_sha"]
        target = self.annotated[sha]
        kind = "tag" if target in self.annotated else "commit"
        return as_json(
            200,
            {
                "node_id": "n",
                "tag": "t",
                "sha": sha,
                "url": self.url,
                "message": "",
                "tagger": {"date": NOW, "email": "a@example.invalid", "name": "a"},
                "object": {"sha": target, "type": kind, "url": self.url},
            },
        )

    def _post_git_refs(self, _named: Any, _query: Any, body: dict[str, Any], *_: Any) -> Response:
        name = body["ref"].removeprefix("refs/tags/")
        if name in self.tags:
            return as_json(422, {"message": "Reference already exists", "documentation_url": self.url})
        self.tags[name] = body["sha"]
        return as_json(201, self._ref(name, body["sha"], "commit"))

    def _ref(self, name: str, sha: str, of: str, *, kind: str = "tags") -> dict[str, Any]:
        target = {"type": of, "sha": sha, "url": self.url}
        return {"ref": f"refs/{kind}/{name}", "node_id": "n", "url": self.url, "object": target}

    # Releases

    def _get_releases(self, _named: Any, query: dict[str, str], *_: Any) -> Response:
        newest = sorted(self.releases.values(), key=lambda held: -held.id)
        return self._page([self._shown(held) for held in newest], query, "releases")

    def _get_releases_tags_tag(self, named: dict[str, str], *_: Any) -> Response:
        for held in self.releases.values():
            if held.fields["tag_name"] == named["tag"] and not held.fields["draft"]:
                return as_json(200, self._shown(held))
        return as_json(404, {"message": "Not Found"})

    def _post_releases(self, _named: Any, _query: Any, body: dict[str, Any], *_: Any) -> Response:
        if self.changes_workflows:
            return as_json(404, {"message": "Not Found"})
        if body["tag_name"] in self.burned:
            return self._invalid("tag_name was used by an immutable release")
        usual = {"target_commitish": "main", "name": None, "body": None, "draft": False, "prerelease": False}
        held = Held(self._new_id(), {**usual, **body})
        self.releases[held.id] = held
        return as_json(201, self._shown(held))

    def _get_releases_release_id(self, named: dict[str, str], *_: Any) -> Response:
        return as_json(200, self._shown(self.releases[int(named["release_id"])]))

    def _patch_releases_release_id(self, named: dict[str, str], _query: Any, body: dict[str, Any], *_: Any) -> Response:
        held = self.releases.get(int(named["release_id"]))
        if held is None:
            return Response(404, b'{"message": "Not Found"}')
        if body.get("draft") is False and held.fields["draft"]:
            self.tags.setdefault(held.fields["tag_name"], "f" * 40)
            held.fields["immutable"] = self.immutable
        held.fields.update({name: value for name, value in body.items() if name != "make_latest"})
        return as_json(200, self._shown(held))

    def _delete_releases_release_id(self, named: dict[str, str], *_: Any) -> Response:
        self.releases.pop(int(named["release_id"]), None)
        return Response(204)

    # Assets

    def _get_releases_release_id_assets(self, named: dict[str, str], query: dict[str, str], *_: Any) -> Response:
        held = self.releases.get(int(named["release_id"]))
        if held is None:
            return Response(404, b'{"message": "Not Found"}')
        return self._page(list(held.assets.values()), query, f"releases/{held.id}/assets")

    def _post_releases_release_id_assets(
        self, named: dict[str, str], query: dict[str, str], body: bytes, request: Request
    ) -> Response:
        held = self.releases.get(int(named["release_id"]))
        assert request.target.startswith("/api/uploads/"), "uploads go to the host for uploads"
        assert request.headers.get("content-length"), "GitHub takes no upload in chunks"
        if held is None:
            return as_json(404, {"message": "Not Found"})
        name = sanitized(query["name"])
        if held.fields.get("immutable"):
            return self._invalid("Cannot upload assets to an immutable release.")
        if any(asset["name"] == name for asset in held.assets.values()):
            return self._invalid(
                "Validation Failed", [{"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}]
            )
        asset = self._asset(held, name, body)
        if self.starter:
            self.starter -= 1
            # The document's enum lacks the value that its own text names.
            asset |= {"state": "open", "size": 0, "digest": None}
            return Response(502, b"")
        return as_json(201, asset)

    def _get_releases_assets_asset_id(
        self, named: dict[str, str], _query: Any, _body: Any, request: Request
    ) -> Response:
        asset = int(named["asset_id"])
        if "octet-stream" in request.headers.get("accept", ""):
            return Response(302, b"", {"Location": f"{self.content_host or self.url}/content/{asset}"})
        return as_json(200, self._find(asset).assets[asset])

    def _patch_releases_assets_asset_id(
        self, named: dict[str, str], _query: Any, body: dict[str, Any], *_: Any
    ) -> Response:
        found = next((held for held in self.releases.values() if int(named["asset_id"]) in held.assets), None)
        if found is None:
            return Response(404, b'{"message": "Not Found"}')
        if any(asset["name"] == body["name"] for asset in found.assets.values()):
            return Response(422, b'{"message": "already_exists"}')
        found.assets[int(named["asset_id"])]["name"] = sanitized(body["name"])
        return as_json(200, found.assets[int(named["asset_id"])])

    def _delete_releases_assets_asset_id(self, named: dict[str, str], *_: Any) -> Response:
        asset = int(named["asset_id"])
        for held in self.releases.values():
            if held.fields.get("immutable") and asset in held.assets:
                return Response(422, b'{"message": "Cannot delete asset from an immutable release"}')
            held.assets.pop(asset, None)
            held.content.pop(asset, None)
        return Response(204)

    def _page(self, items: list[dict[str, Any]], query: dict[str, str], path: str) -> Response:
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        answer = as_json(200, items[(page - 1) * size : page * size])
        if page * size >= len(items):
            return answer
        after = f"{self.url}/api/v3/repos/acme/images/{path}?per_page={size}&page={page + 1}"
        return Response(200, answer.body, {**answer.headers, "Link": f'<{after}>; rel="next"'})

    # What tests put there, and look at

    def add(self, tag: str, *, draft: bool = True, body: str = "", **fields: Any) -> Held:
        """A release that somebody else made."""
        usual = {"target_commitish": "main", "name": tag, "body": body, "prerelease": False}
        held = Held(self._new_id(), {**usual, "tag_name": tag, "draft": draft, **fields})
        self.releases[held.id] = held
        return held

    def add_asset(self, held: Held, name: str, content: bytes) -> int:
        """An asset that somebody else made."""
        return int(self._asset(held, name, content)["id"])

    def assets(self, tag: str) -> dict[str, bytes]:
        """What the one published release of a tag holds; a name that stands twice is an error."""
        (held,) = (
            held for held in self.releases.values() if held.fields["tag_name"] == tag and not held.fields["draft"]
        )
        names = [asset["name"] for asset in held.assets.values()]
        assert len(names) == len(set(names)), names
        assert all(asset["state"] == "uploaded" for asset in held.assets.values())
        return {asset["name"]: held.content[number] for number, asset in held.assets.items()}

    def _asset(self, held: Held, name: str, content: bytes) -> dict[str, Any]:
        number = self._new_id()
        held.content[number] = content
        held.assets[number] = {
            "id": number,
            "name": name,
            "content_type": "application/octet-stream",
            "size": len(content),
            "digest": f"sha256:{hashlib.sha256(content).hexdigest()}" if self.digests else None,
            "state": "uploaded",
            "url": f"{self.url}/api/v3/repos/acme/images/releases/assets/{number}",
            "node_id": "n",
            "download_count": 0,
            "label": None,
            "uploader": None,
            "browser_download_url": f"{self.url}/acme/images/releases/download/{held.fields['tag_name']}/{name}",
            "created_at": NOW,
            "updated_at": NOW,
        }
        return held.assets[number]

    def _shown(self, held: Held) -> dict[str, Any]:
        base = f"{self.url}/api/v3/repos/acme/images/releases/{held.id}"
        uploads = f"{self.upload_host or self.url}/api/uploads/repos/acme/images/releases/{held.id}/assets"
        return {
            **{key: value for key, value in held.fields.items() if key != "make_latest"},
            "id": held.id,
            "immutable": bool(held.fields.get("immutable")),
            "url": base,
            "html_url": f"{self.url}/acme/images/releases/tag/{held.fields['tag_name']}",
            "assets_url": f"{base}/assets",
            "upload_url": f"{uploads}{{?name,label}}",
            "tarball_url": None,
            "zipball_url": None,
            "node_id": "n",
            "created_at": NOW,
            "published_at": None if held.fields["draft"] else NOW,
            "author": _USER,
            "assets": list(held.assets.values()),
        }

    def _find(self, asset: int) -> Held:
        return next(held for held in self.releases.values() if asset in held.assets)

    def _new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def _invalid(self, message: str, errors: list[dict[str, str]] | None = None) -> Response:
        return Response(422, json.dumps({"message": message, "errors": errors or []}).encode())


def sanitized(name: str) -> str:
    """The name that GitHub gives an asset, as gh's own table has it."""
    return re.sub(r"\.+", ".", re.sub(r"[^A-Za-z0-9_+@-]", ".", name)).strip(".")


_URLS = (
    "url html_url followers_url following_url gists_url starred_url subscriptions_url organizations_url repos_url "
    "events_url received_events_url avatar_url"
)
_USER = {
    **dict.fromkeys(_URLS.split(), "https://github.example"),
    "login": "acme",
    "id": 1,
    "node_id": "n",
    "gravatar_id": None,
    "type": "User",
    "site_admin": False,
}
