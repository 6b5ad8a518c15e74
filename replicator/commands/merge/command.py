"""Declares the verb `merge`: help, inputs, outputs, examples."""

from __future__ import annotations

from replicator.bootstrap.command import Command

COMMANDS = [
    Command(
        "merge",
        "merge the indexes of several architectures into one, verify all images in it, then move the families",
        run="commands.merge.run:run",
        settings="commands.merge.settings:MergeSettings",
        more_settings="inputs.output_file:OutputFile",
        examples=("merge --fragments fragments --expect X86_64,ARM64 --required-locations all",),
        action="merge",
        gated=True,
        outputs={
            "decision": "",
            "reason": "",
            "result": "",
            "images": "{}",
            "image_names": "{}",
            "failed_locations": "",
            "replicas": "[]",
            "index_path": "",
            "index_digest": "",
            "bundle_path": "",
            "attestation_path": "",
        },
    )
]
