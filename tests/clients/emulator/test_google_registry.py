"""google-cloud-artifact-registry and `registry` on the same repositories: the library sends enumerations as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import artifactregistry_v1 as library
from google.iam.v1.iam_policy_pb2 import (  # type: ignore[import-untyped]
    GetIamPolicyRequest,
    SetIamPolicyRequest,
)
from google.iam.v1.policy_pb2 import Binding  # type: ignore[import-untyped]
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from emulator.testing import Running, running
from testkit.registry.mirroring import SHORT, Registry, states

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = "projects/p1/locations/us"
READER = "group:nodes@example.com"
CONFIG = f"""\
project: p1
locations: [us]
mirrors: {{UPSTREAM: {{repository: m, labels: {{team: infra}}}}}}
readers: ["{READER}"]
"""
Remote = library.RemoteRepositoryConfig
UPSTREAMS = {
    "docker.io": Remote(
        docker_repository=Remote.DockerRepository(public_repository=Remote.DockerRepository.PublicRepository.DOCKER_HUB)
    ),
    "ghcr.io": Remote(
        docker_repository=Remote.DockerRepository(
            custom_repository=Remote.DockerRepository.CustomRepository(uri="https://ghcr.io")
        )
    ),
    "quay.io": Remote(common_repository=Remote.CommonRemoteRepository(uri="https://quay.io")),
}
Policy = library.CleanupPolicy
POLICIES = {
    "delete-older-than-30d": Policy(
        id="delete-older-than-30d",
        action=Policy.Action.DELETE,
        condition=library.CleanupPolicyCondition(
            tag_state=library.CleanupPolicyCondition.TagState.ANY, older_than=Duration(seconds=2592000)
        ),
    ),
    "keep-latest": Policy(
        id="keep-latest",
        action=Policy.Action.KEEP,
        most_recent_versions=library.CleanupPolicyMostRecentVersions(keep_count=16),
    ),
}


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(scenario={"repository_seconds": 0}) as emulator:
        yield emulator
        assert not any(entry["unsupported"] for entry in emulator.journal())


@pytest.fixture
def client(emulator: Running) -> library.ArtifactRegistryClient:
    return library.ArtifactRegistryClient(
        transport="rest",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options=ClientOptions(api_endpoint=emulator.url),
    )


@pytest.fixture
def registry(emulator: Running, tmp_path: Path) -> Registry:
    return Registry(emulator, tmp_path)


def made(client: library.ArtifactRegistryClient, **fields: Any) -> library.Repository:
    repository = library.Repository(
        format_=library.Repository.Format.DOCKER, mode=library.Repository.Mode.REMOTE_REPOSITORY, **fields
    )
    operation: Any = client.create_repository(parent=HERE, repository=repository, repository_id="m")
    found: library.Repository = operation.result(timeout=20)
    return found


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_what_the_library_made_is_correct_and_left_alone(
    client: library.ArtifactRegistryClient, registry: Registry, upstream: str
) -> None:
    there = made(
        client, remote_repository_config=UPSTREAMS[upstream], labels={"team": "infra"}, cleanup_policies=POLICIES
    )
    policy = client.get_iam_policy(GetIamPolicyRequest(resource=there.name))
    policy.bindings.append(Binding(role="roles/artifactregistry.reader", members=[READER]))
    client.set_iam_policy(SetIamPolicyRequest(resource=there.name, policy=policy))
    sent = next(each for each in registry.emulator.journal() if each["method"].endswith(".create"))
    assert sent["body"]["format"] == 1, "the library sends numbers"
    before = registry.emulator.state()["repositories"], registry.mutations()
    config = registry.write(CONFIG.replace("UPSTREAM", upstream))
    for command in ("check", "ensure"):
        done = registry(command, config=config)
        assert (done.exit_code, states(done)) == (0, {(upstream, "us"): "correct"}), done.log
        assert (registry.emulator.state()["repositories"], registry.mutations()) == before


def test_the_library_reads_what_ensure_made(client: library.ArtifactRegistryClient, registry: Registry) -> None:
    assert registry("ensure", **SHORT).exit_code == 0
    listed = {
        each.name: each
        for place in ("us", "europe")
        for each in client.list_repositories(parent=f"projects/p1/locations/{place}")
        if each.mode is library.Repository.Mode.REMOTE_REPOSITORY
    }
    assert sorted(listed) == [f"projects/p1/locations/{place}/repositories/ghcr-mirror" for place in ("europe", "us")]
    for each in listed.values():
        assert each.format_ is library.Repository.Format.DOCKER
        assert each.remote_repository_config.common_repository.uri == "https://ghcr.io"
        assert dict(each.cleanup_policies) == POLICIES
        assert each.registry_uri.endswith("-docker.pkg.dev/p1/ghcr-mirror")


def test_what_the_library_changed_is_repaired_and_what_it_deleted_made_again(
    client: library.ArtifactRegistryClient, registry: Registry
) -> None:
    given = {"project_id": "p1", "registry_locations": "us"}
    name = f"{HERE}/repositories/ghcr-mirror"
    registry("ensure", **given)
    only = {"keep-latest": POLICIES["keep-latest"]}
    changed = library.Repository(name=name, cleanup_policies=only, description="mine")
    client.update_repository(repository=changed, update_mask=FieldMask(paths=["cleanup_policies", "description"]))
    assert states(registry("check", **given)) == {("ghcr.io", "us"): "drifted"}
    assert states(registry("ensure", **given)) == {("ghcr.io", "us"): "repaired"}
    found = client.get_repository(name=name)
    assert (dict(found.cleanup_policies), found.description) == (POLICIES, "mine")
    operation: Any = client.delete_repository(name=name)
    operation.result(timeout=20)
    with pytest.raises(NotFound):
        client.get_repository(name=name)
    assert states(registry("check", **given)) == {("ghcr.io", "us"): "missing"}
    assert states(registry("ensure", **given)) == {("ghcr.io", "us"): "created"}


def test_the_library_understands_refusals(client: library.ArtifactRegistryClient) -> None:
    made(client, remote_repository_config=UPSTREAMS["quay.io"])
    with pytest.raises(Conflict):
        made(client, remote_repository_config=UPSTREAMS["quay.io"])
    with pytest.raises(BadRequest, match="can't be changed"):
        client.update_repository(
            repository=library.Repository(
                name=f"{HERE}/repositories/m", mode=library.Repository.Mode.STANDARD_REPOSITORY
            ),
            update_mask=FieldMask(paths=["mode"]),
        )
