"""What is wrong with inputs of resolve, alone and together: one clear error each, all at once."""

from __future__ import annotations

import io
import json

import pytest

from replicator.commands.resolve import query, settings
from replicator.core.errors import BadSettings

DIGEST = f"sha256:{'a' * 64}"
INDEX = {"index": "i.json"}
FAMILY = {"family": "projects/acme/global/images/family/web"}
URL = {"index": "https://example.com/image-index.json"}


def problems(given: dict[str, str], env: dict[str, str] | None = None) -> list[str]:
    try:
        settings.load(given, env or {})
    except BadSettings as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (INDEX, ""),
        ({**INDEX, "zone": "europe-west4-a"}, "europe-west4"),
        ({**INDEX, "region": "me-west1"}, "me-west1"),
        ({**INDEX, "location": "eu"}, "eu"),
        ({**FAMILY, "zone": "us-east1-b", "replica_project": "a-project, b-project"}, "us-east1"),
        ({**URL, "digest": DIGEST, "offline": "true"}, ""),
        ({**URL, "bundle": "b.json", "key": "k.pub"}, ""),
        ({**URL, "attestation": "b.json", "key": "k.pub"}, ""),
    ],
)
def test_what_is_right(given: dict[str, str], place: str) -> None:
    assert problems(given) == []
    assert settings.load(given, {}).settings.place == place


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "index: is needed, or family"),
        ({**INDEX, **FAMILY}, "family: is given beside index: leave one of the two out"),
        (URL, "index: is a URL, and that alone is nobody's word: give digest (sha256:…), or bundle and a policy"),
        ({**URL, "bundle": "b.json"}, "certificate_identity_regexp: is required with bundle or attestation"),
        ({**URL, "index": "http://example.com/i", "digest": DIGEST}, "index: isn't https, and nothing else is fetched"),
        ({**URL, "index": "file:///etc/passwd", "digest": DIGEST}, "index: isn't https"),
        ({**URL, "index": "https://[::1/i", "digest": DIGEST}, "index: isn't a valid URL"),
        ({**URL, "index": "https:///i", "digest": DIGEST}, "index: isn't a valid URL: write https://HOST/PATH"),
        ({**INDEX, "digest": "sha256:abc"}, "digest: 'sha256:abc' isn't a digest: write sha256: and 64 digits"),
        ({**FAMILY, "digest": DIGEST}, "digest: means nothing beside family: leave it out"),
        ({**FAMILY, "offline": "true"}, "offline: means nothing beside family"),
        ({**FAMILY, "variant": "gpu"}, "variant: means nothing beside family"),
        ({**INDEX, "replica_project": "a-project"}, "replica_project: means nothing beside index"),
        ({**FAMILY, "replica_project": "a-project, B"}, "replica_project: 'B' can't be the id of a project"),
        ({"family": "web"}, "family: 'web' isn't a family: write projects/PROJECT/global/images/family/FAMILY"),
        (
            {"family": "projects/acme/global/images/web-1"},
            "family: 'projects/acme/global/images/web-1' names an image, not a family",
        ),
        ({**INDEX, "zone": "us-east1-b", "region": "us-east1"}, "region: is given beside zone: one place is enough"),
        ({**INDEX, "zone": "us-east1"}, "zone: 'us-east1' isn't a zone such as europe-west4-a (that is a region"),
        ({**INDEX, "region": "us-east1-b"}, "region: 'us-east1-b' is a zone: give it as zone, or write its region"),
        ({**INDEX, "region": "eu"}, "region: 'eu' is a multi-region: give it as location"),
        ({**INDEX, "location": "europe"}, "location: 'europe' isn't a storage location: write 'eu'"),
        ({**INDEX, "fallback": "far"}, "fallback: 'far' is not one of nearest, continent or none"),
        ({**INDEX, "deprecated": "no"}, "deprecated: 'no' is not one of warn, skip or allow"),
        ({**INDEX, "architecture": "amd64"}, "architecture: 'amd64' isn't a valid architecture: write 'X86_64'"),
        ({**INDEX, "format": "yaml"}, "format: 'yaml' is not one of"),
        ({**INDEX, "format": "github"}, "format: 'github' writes the outputs of a step, and no runner runs this"),
        ({"index": "-", "format": "tf-external"}, "index: can't be read from standard input"),
        ({**INDEX, "key": "k.pub"}, "key: is a policy for a signature: give bundle or attestation as well"),
    ],
)
def test_what_is_wrong(given: dict[str, str], says: str) -> None:
    (told,) = [text for text in problems(given) if text.startswith(says.partition(":")[0])]
    assert says in told


def test_all_is_told_at_once_and_no_token_is() -> None:
    given = {
        "index": "https://user:hunter2@example.com/i",
        "digest": "x",
        "zone": "nowhere",
        "fallback": f"ghp_{'a' * 36}",
        "architecture": "arm",
    }
    told = problems(given)
    assert [text.partition(":")[0] for text in told] == ["index", "digest", "architecture", "zone", "fallback"]
    assert "hunter2" not in str(told)
    assert "ghp_" not in str(told)


class TestQuery:
    def test_flags_win_over_it(self) -> None:
        asked = {"index": "a.json", "region": "us-east1"}
        stdin = io.BytesIO(json.dumps(asked).encode())
        assert query.merged({"region": "me-west1", "zone": ""}, stdin) == {"index": "a.json", "region": "me-west1"}

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "must be one JSON object of strings"),
            ("[]", "must be one JSON object of strings"),
            ("[" * 100_000, "must be one JSON object of strings"),
            ('{"zoen": "us-east1-b"}', "the key 'zoen', which isn't an option: "),
            ('{"format": "json"}', "the key 'format', which isn't an option"),
            ('{"offline": true}', "the value of offline isn't a string"),
        ],
    )
    def test_another_query_is_refused(self, text: str, says: str) -> None:
        with pytest.raises(BadSettings, match="format: tf-external: ") as caught:
            query.merged({}, io.BytesIO(text.encode()))
        assert says in str(caught.value)
