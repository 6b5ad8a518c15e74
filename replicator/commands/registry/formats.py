"""Formats rewritten references, and mirrors for the tools that pull: kustomize, containerd, k3s, Podman. Pure.

Every value is checked before (references, hosts, names), and quoted as JSON, which YAML and TOML read alike.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from replicator.commands.registry import references

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from replicator.commands.registry.mirrors import Mirror
    from replicator.commands.registry.rewrite import Rewritten

#: Formats of references, and those of all mirrors that serve a zone.
OF_REFERENCES = ("text", "json", "env", "kustomize")
OF_MIRRORS = ("hosts", "k3s", "registries.conf")
ALL = (*OF_REFERENCES, *OF_MIRRORS)

_READERS = (
    "# Nothing gives containerd a token for the mirror's host, so allUsers must be able to read the repository. Where",
    "# they can't, rewrite references instead (replicator registry rewrite): the kubelet then asks for a token itself.",
)


def text(done: Iterable[Rewritten]) -> str:
    """One reference a line, in the order in which they were given."""
    return "".join(f"{each.text}\n" for each in done)


def as_json(done: Iterable[Rewritten], zone: str) -> str:
    """One JSON document, with the reason for each reference."""
    return json.dumps({"schema": 1, "zone": zone, "images": [row(each) for each in done]}) + "\n"


def row(done: Rewritten) -> dict[str, str]:
    """One reference as JSON values."""
    mirror = done.mirror
    return {
        "reference": done.given.text,
        "image": done.text,
        "upstream": done.image.upstream,
        "location": mirror.location if mirror else "",
        "host": mirror.host if mirror else "",
        "why": done.why,
    }


def env(done: Sequence[Rewritten]) -> str:
    """Variables for a shell: `IMAGE` for one reference, else `IMAGE_1`, `IMAGE_2` and so on."""
    single = len(done) == 1
    return "".join(
        f"IMAGE{'' if single else f'_{number}'}={shlex.quote(each.text)}\n" for number, each in enumerate(done, 1)
    )


def kustomize(done: Iterable[Rewritten]) -> str:
    """The `images:` of a kustomization; tags and digests stay those of the manifests."""
    names = {each.given.name: each.newname for each in done if each.mirror}
    if not names:
        return "images: []\n"
    rows = (f"  - name: {_quoted(name)}\n    newName: {_quoted(new)}\n" for name, new in sorted(names.items()))
    return f"images:\n{''.join(rows)}"


def whole(serving: Mapping[str, Mirror]) -> list[tuple[str, Mirror]]:
    """Mirrors of whole registries: containerd and k3s know no others."""
    return [(upstream, mirror) for upstream, mirror in sorted(serving.items()) if not references.repository(upstream)]


def hosts(serving: Mapping[str, Mirror]) -> dict[str, str]:
    """containerd's `certs.d`: relative path → text of the file, by upstream.

    A mirror with a path needs `/v2/` in its URL and `override_path`: else `/v2/` is put in twice (containerd #6634).
    """
    return {
        f"{upstream}/hosts.toml": "\n".join(
            [
                *_READERS,
                f"server = {_quoted(f'https://{references.server(upstream)}')}",
                "",
                f"[host.{_quoted(f'https://{mirror.host}/v2/{mirror.below}')}]",
                '  capabilities = ["pull", "resolve"]',
                "  override_path = true",
                "",
            ]
        )
        for upstream, mirror in whole(serving)
    }


def hosts_text(serving: Mapping[str, Mirror]) -> str:
    """All files of `hosts` in one text, each under its path."""
    return "\n".join(f"# {path}\n{content}" for path, content in hosts(serving).items())


def k3s(serving: Mapping[str, Mirror]) -> str:
    """The `/etc/rancher/k3s/registries.yaml` of k3s and RKE2."""
    lines = [*_READERS, "mirrors:" if whole(serving) else "mirrors: {}"]
    for upstream, mirror in whole(serving):
        lines += [
            f"  {_quoted(upstream)}:",
            "    endpoint:",
            f"      - {_quoted(f'https://{mirror.host}')}",
            "    rewrite:",
            f'      "^(.*)$": {_quoted(f"{mirror.below}/$1")}',
        ]
    return "\n".join(lines) + "\n"


def registries_conf(serving: Mapping[str, Mirror]) -> str:
    """The `registries.conf` (version 2) of Podman, Buildah, Skopeo and CRI-O."""
    return "\n".join(
        "\n".join(
            [
                "[[registry]]",
                f"prefix = {_quoted(references.address(upstream))}",
                f"location = {_quoted(references.address(upstream))}",
                "",
                "[[registry.mirror]]",
                f"location = {_quoted(mirror.uri)}",
                "",
            ]
        )
        for upstream, mirror in sorted(serving.items())
    )


def _quoted(value: str) -> str:
    return json.dumps(value)
