"""Declares the verbs `replicate` (the main action) and `plan`: help, inputs, outputs, examples."""

from __future__ import annotations

from replicator.bootstrap.command import Command

_SOURCE = "projects/PROJECT/global/images/web-v1"

#: Third-party package → the modules here that import it.
OUTSIDE = {"rich": ("live_table.py",)}

COMMANDS = [
    Command(
        "replicate",
        "make the image available in every location, and say what exists where",
        run="commands.replicate.run:run",
        settings="replicas.settings:Settings",
        more_settings="inputs.output_file:OutputFile",
        examples=(
            f"replicate --source-image {_SOURCE}",
            f"replicate --source-image {_SOURCE} --locations us,eu,asia-east1 --required-locations us,eu",
            "replicate --packer-manifest packer-manifest.json --access public",
            f"replicate --source-image {_SOURCE} --json | jq .images",
        ),
        action=".",
        gated=True,
        outputs={
            "decision": "",
            "reason": "",
            "result": "",
            "images": "{}",
            "image_names": "{}",
            "image_us": "",
            "image_eu": "",
            "image_asia": "",
            "failed_locations": "",
            "replicas": "[]",
            "index_path": "",
            "index_digest": "",
            "bundle_path": "",
            "attestation_path": "",
        },
    ),
    Command(
        "plan",
        "show what `replicate` would do, and change nothing",
        run="commands.replicate.run:run",
        settings="replicas.settings:Settings",
        preset={"dry_run": "true"},
        examples=(
            f"plan --source-image {_SOURCE}",
            "plan --source-image projects/PROJECT/global/images/family/web --json | jq '.plan[].action'",
        ),
    ),
]
