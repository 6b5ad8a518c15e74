"""Classifies every field of Image in Compute v1, once: what a replica must share with its source, and what not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.core.images import Image


class Rule(Enum):
    """What a field of a replica must be."""

    EQUAL = auto()
    """The source's."""
    AT_LEAST = auto()
    """The source's at least."""
    OURS = auto()
    """As wanted by settings, or made by this tool: compared with what is wanted, not with the source."""
    FREE = auto()
    """Anything."""


#: An extra one of these changes how a machine starts; other features are no more than an offer.
DECISIVE_FEATURES = frozenset({"UEFI_COMPATIBLE", "SECURE_BOOT", "WINDOWS"})


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its name in the API (`object.member` for one of an object), and why it has its rule."""

    name: str
    rule: Rule
    why: str
    of: Callable[[Image], frozenset[str]] | None = None
    """The values that are compared; None where they are compared with what is wanted, or not at all."""
    decisive: frozenset[str] = frozenset()
    """Values that a replica may not have beside the source's."""

    def right(self, source: Image, image: Image) -> bool:
        """Whether a replica has in this field what it must share with its source."""
        if self.of is None:
            return True
        wanted, found = self.of(source), self.of(image)
        return found == wanted if self.rule is Rule.EQUAL else found >= wanted and not (found - wanted) & self.decisive


def _one(value: object) -> frozenset[str]:
    return frozenset({str(value)} if value else ())


def _architecture(image: Image) -> frozenset[str]:
    """Nothing where it is unknown: then a copy may have any."""
    return _one(image.architecture) - {"ARCHITECTURE_UNSPECIFIED"}


def _keys(database: str) -> Callable[[Image], frozenset[str]]:
    return lambda image: frozenset(key.digest for key in image.shielded_keys if key.database == database)


_SERVER = "Compute Engine sets it for each image"
_ORIGIN = "It says what the image was made of: a copy was made of something else than its source was"
_SHIELDED = "Secure Boot trusts, or refuses, what these keys have signed"

#: What is compared with the source, in the order in which people are told what differs.
SHARED = (
    Field("diskSizeGb", Rule.EQUAL, "It is the size of the boot disk", lambda image: _one(image.disk_size_gb)),
    Field("architecture", Rule.AT_LEAST, "It decides which machines can boot the image", _architecture),
    Field(
        "enableConfidentialCompute",
        Rule.EQUAL,
        "It decides whether a disk of the image is a confidential one",
        lambda image: _one(image.confidential and "true"),
    ),
    Field(
        "guestOsFeatures",
        Rule.AT_LEAST,
        "Features decide which firmware and devices a machine has; Compute Engine may add its own to a copy",
        lambda image: image.guest_os_features,
        decisive=DECISIVE_FEATURES,
    ),
    Field(
        "licenses",
        Rule.AT_LEAST,
        "Licences decide what is billed and allowed; Compute Engine may add its own to a copy",
        lambda image: image.licenses,
    ),
    Field(
        "licenseCodes",
        Rule.AT_LEAST,
        "They are the licences by number, also where a licence's address is not shown",
        lambda image: image.license_codes,
    ),
    Field("shieldedInstanceInitialState.pk", Rule.EQUAL, _SHIELDED, _keys("pk")),
    Field("shieldedInstanceInitialState.keks", Rule.EQUAL, _SHIELDED, _keys("keks")),
    Field("shieldedInstanceInitialState.dbs", Rule.EQUAL, _SHIELDED, _keys("dbs")),
    Field("shieldedInstanceInitialState.dbxs", Rule.EQUAL, _SHIELDED, _keys("dbxs")),
)
_OTHERS = frozenset(
    {
        Field("deprecated", Rule.FREE, "A copy has a state of its own; one that nobody can use is refused elsewhere"),
        Field("description", Rule.OURS, "Copies don't inherit it: it is written, and repaired"),
        Field("family", Rule.OURS, "Copies don't inherit it: it is given last, by family_template"),
        Field("imageEncryptionKey.kmsKeyName", Rule.OURS, "A key belongs to a location: kms_key says which"),
        Field("imageEncryptionKey.kmsKeyServiceAccount", Rule.FREE, "It says who used the key, not which"),
        Field("imageEncryptionKey.rawKey", Rule.FREE, "It is written only, and never sent by this tool"),
        Field("imageEncryptionKey.rsaEncryptedKey", Rule.FREE, "It is written only, and never sent by this tool"),
        Field("imageEncryptionKey.sha256", Rule.FREE, "It belongs to customer-supplied keys, which are refused"),
        Field("labels", Rule.OURS, "Copies don't inherit them: they are written, and repaired"),
        Field("name", Rule.OURS, "name_template says it"),
        Field("storageLocations", Rule.OURS, "It is what the replica is made for"),
        Field("sourceImage", Rule.OURS, "It is the name of what was copied; which image that was, says sourceImageId"),
        Field("sourceImageId", Rule.OURS, "It is the proof that the image comes from the source: the lineage"),
        Field("status", Rule.OURS, "A replica must be READY"),
        Field("archiveSizeBytes", Rule.FREE, "The same content can be stored in more or fewer bytes"),
        Field("creationTimestamp", Rule.FREE, _SERVER),
        Field("id", Rule.FREE, _SERVER),
        Field("kind", Rule.FREE, "It is compute#image for all"),
        Field("labelFingerprint", Rule.FREE, "It follows from the labels"),
        Field("params", Rule.FREE, "It is written only; tags of Resource Manager aren't carried over"),
        Field("rawDisk", Rule.FREE, _ORIGIN),
        Field("satisfiesPzi", Rule.FREE, "Reserved for future use"),
        Field("satisfiesPzs", Rule.FREE, "Reserved for future use"),
        Field("selfLink", Rule.FREE, "It follows from project and name"),
        Field("sourceDisk", Rule.FREE, _ORIGIN),
        Field("sourceDiskEncryptionKey", Rule.FREE, _ORIGIN),
        Field("sourceDiskId", Rule.FREE, _ORIGIN),
        Field("sourceImageEncryptionKey", Rule.FREE, "It unlocks what is copied; the copy has its own key"),
        Field("sourceSnapshot", Rule.FREE, _ORIGIN),
        Field("sourceSnapshotEncryptionKey", Rule.FREE, _ORIGIN),
        Field("sourceSnapshotId", Rule.FREE, _ORIGIN),
        Field("sourceType", Rule.FREE, "RAW is its only value"),
    }
)
TABLE = (*SHARED, *_OTHERS)
