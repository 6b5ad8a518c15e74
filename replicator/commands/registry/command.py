"""Declares the verbs `registry ensure|policies|check|rewrite|hosts`: help, options, outputs, examples."""

from __future__ import annotations

from replicator.bootstrap.command import Answering, Command

_SETTINGS = "commands.registry.settings:RegistrySettings"
_RUN = "commands.registry.run:run"
_SIGNER = ("bundle", "certificate_identity_regexp", "certificate_oidc_issuer", "key", "trusted_root")
_REFERENCES = (*_SIGNER, "mirrors", "zone", "images", "file", "format", "output")
_PULLS = ("pull",)
_CONFIG = ("config", "project_id", "registry_locations", "registry_upstream", "cleanup_policy_file")

#: The name of a JSON Schema → what makes it, for `make docs`.
SCHEMAS = {"registry-config": "commands.registry.config:schema"}

COMMANDS = [
    Command(
        "registry ensure",
        "make the mirrors in Artifact Registry that a configuration asks for, and write mirrors.json",
        run=_RUN,
        settings=_SETTINGS,
        preset={"command": "ensure"},
        without=("apply", *_PULLS, *_REFERENCES),
        examples=(
            "registry ensure --config registry.yaml",
            "registry ensure --project-id my-project --registry-locations us,europe",
        ),
        # The folder of this capability's only action, whose input `command` says what to do.
        action="registry",
        outputs={
            "result": "",
            "reason": "",
            "mirrors_path": "",
            "bundle_path": "",
            "mirrors": "[]",
            "pulls": "[]",
            "images": "[]",
            "resolved_image": "",
            "registry_hosts": "",
        },
    ),
    Command(
        "registry policies",
        "compare the cleanup policies of the mirrors, and set them with --apply",
        run=_RUN,
        settings=_SETTINGS,
        preset={"command": "policies"},
        without=("sign", *_PULLS, *_REFERENCES),
        examples=("registry policies --config registry.yaml", "registry policies --config registry.yaml --apply"),
    ),
    Command(
        "registry check",
        "compare the mirrors with a configuration, change nothing, and write mirrors.json",
        run=_RUN,
        settings=_SETTINGS,
        preset={"command": "check"},
        without=("apply", *_REFERENCES),
        examples=(
            "registry check --config registry.yaml --json",
            "registry check --config registry.yaml --pull ghcr.io/org/app:v1",
        ),
    ),
    Answering(
        "registry rewrite",
        "print references of images as a zone is to pull them, from the mirrors near it",
        run=_RUN,
        settings=_SETTINGS,
        preset={"command": "rewrite"},
        without=("apply", "sign", "cleanup_policy_file", *_PULLS),
        operands="images",
        metavar="REF",
        answer_format="format",
        examples=(
            "registry rewrite --mirrors mirrors.json --zone us-central1-a ghcr.io/org/app:v1",
            "registry rewrite --config registry.yaml --zone europe-west4-a --format kustomize ghcr.io/org/app",
        ),
    ),
    Answering(
        "registry hosts",
        "print the hosts of Artifact Registry in references, for gcloud auth configure-docker",
        run=_RUN,
        settings=_SETTINGS,
        preset={"command": "hosts"},
        without=("apply", "sign", *_SIGNER, "mirrors", "zone", "output", *_PULLS, *_CONFIG),
        operands="images",
        metavar="REF",
        answer_format="format",
        examples=("registry hosts us-docker.pkg.dev/my-project/ghcr-mirror/org/app:v1",),
    ),
]
