"""Makes the signature over SHA256SUMS, and tells whether the release holds a right one already.

A signature made anew differs in its bytes each time, so a rerun that signed again would never find nothing to do.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.commands.release import names
from replicator.core.errors import ReplicatorError
from replicator.index import bundle
from replicator.index.sign import KeySigner

if TYPE_CHECKING:
    from replicator.commands.release.forges.github import Forge
    from replicator.index.sign import Signer

#: Bytes. A bundle has some kilobytes.
_LARGEST = 2**20


def made(signer: Signer, data: bytes) -> bytes:
    """Return a bundle over the file's bytes. Raises CannotSign."""
    return signer.sign_file(data)


def there(forge: Forge, tag: str, data: bytes, signer: Signer) -> bytes:
    """Return the signature that the release of a tag holds, if it is over these bytes and ours; else nothing."""
    for release in sorted(forge.releases(tag), key=lambda release: (release.draft, release.id)):
        for asset in forge.assets(release) or ():
            if asset.name == names.SUMS_BUNDLE and asset.size <= _LARGEST:
                content = b"".join(forge.content(release, asset))
                # Whose identity signed keyless can't be told without a policy, so that of a draft is made anew.
                mine = isinstance(signer, KeySigner)
                if (mine or not release.draft) and _is_right(content, data, signer):
                    return content
    return b""


def _is_right(content: bytes, data: bytes, signer: Signer) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, names.SUMS_BUNDLE)
        path.write_bytes(content)
        try:
            read = bundle.read(path, "bundle")
        except ReplicatorError:
            return False
    is_over = read.signed == hashlib.sha256(data).hexdigest()
    return is_over and (not isinstance(signer, KeySigner) or signer.made(read.signature, data))
