"""Fragments of an index as builds of one architecture leave them, and their merge."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.commands.merge import fragments as merge
from replicator.commands.merge.fragments import Key, Merged, NotOne
from replicator.index import image_index
from replicator.index.image_index import BadIndex, Index

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


EVERYWHERE = ("asia", "eu", "us")

REVISION = {"repository": "acme/images", "ref": "refs/tags/v1", "commit": "c1"}


Document = dict[str, Any]


def fragment(architecture: str, variant: str = "", locations: Collection[str] = EVERYWHERE) -> Document:
    """What a build of one architecture leaves; images and families have the architecture, and variant, in their names."""
    stem = f"web-{architecture}-{variant or 'main'}".lower().replace("_", "-")
    number = str(sum(map(ord, stem)))

    def place(name: str) -> dict[str, str]:
        return {"project": "p1", "name": name, "id": number, "uri": f"projects/p1/global/images/{name}"}

    return {
        "schema": 1,
        "images": [
            {
                "architecture": architecture,
                "variant": variant,
                "revision": dict(REVISION),
                "source": {**place(stem), "storage_location": "us", "family": stem},
                "wanted_locations": list(EVERYWHERE),
                "locations": {
                    location: {
                        **place(f"{stem}-{location}"),
                        "source_image_id": number,
                        "copied_from": f"projects/p1/global/images/{stem}",
                        "family": f"{stem}-{location}",
                        "public": True,
                        "disk_size_gb": "20",
                        "labels": {"team": "ünïcode"},
                    }
                    for location in locations
                },
            }
        ],
    }


def read(text: str, name: str = "") -> Index | BadIndex:
    try:
        return image_index.parse(text.encode(), Path(name))
    except BadIndex as error:
        return error


def attempt(
    found: Mapping[str, Index | BadIndex], expected: Collection[Key], required: Collection[str] = ()
) -> Merged | NotOne:
    try:
        return merge.merge(found, expected, required)
    except NotOne as error:
        return error


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same JSON with its keys, and the locations in lists, in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, chance)) for key, item in value.items()]
        return dict(chance.sample(items, len(items)))
    return chance.sample(value, len(value)) if isinstance(value, list) and value else value


def merged_bytes(chance: random.Random) -> bytes:
    """The merged index of three right fragments: their order, names, keys and blanks are chance."""
    documents = [fragment("X86_64"), fragment("ARM64", locations=("us", "eu")), fragment("X86_64", "lts")]
    keys = [Key("X86_64"), Key("ARM64"), Key("X86_64", "lts")]
    texts = [
        json.dumps(
            {**shuffled(document, chance), "images": [shuffled(document["images"][0], chance)]},
            indent=chance.choice([None, 0, 7]),
            ensure_ascii=chance.random() < 0.5,
        )
        for document in documents
    ]
    names = chance.sample(["a", "ARM64/image-index", "ä", "zz"], len(texts))
    found = {name: read(text) for name, text in zip(names, texts, strict=True)}
    merged = attempt(found, chance.sample(keys, len(keys)))
    assert isinstance(merged, Merged), merged
    return image_index.to_bytes(merged.document())
