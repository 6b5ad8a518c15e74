"""Declares the verb `resolve`: its help, outputs and examples."""

from __future__ import annotations

from replicator.bootstrap.command import Answering

#: Third-party package → the modules here that import it.
OUTSIDE = {"requests": ("fetch.py",)}
#: What asks for the time → the modules here that do.
CLOCKS = {"deadline": ("fetch.py",)}

COMMANDS = [
    Answering(
        "resolve",
        "print the verified image that is nearest to a zone or region, and change nothing",
        run="commands.resolve.run:run",
        settings="commands.resolve.settings:ResolveSettings",
        more_settings="inputs.output_file:DotenvFile",
        operands="",
        metavar="",
        answer_format="format",
        examples=(
            "resolve --index image-index.json --zone europe-west4-a --architecture X86_64",
            "resolve --family projects/acme/global/images/family/web --region me-west1 --format json",
        ),
        action="resolve",
        doing="Resolving",
        done="resolved",
        failed="error",
        outputs={
            "result": "",
            "reason": "",
            "image": "",
            "image_name": "",
            "image_id": "",
            "location": "",
            "tier": "",
            "km": "",
        },
    )
]
