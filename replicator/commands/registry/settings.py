"""Validates the values given to the `registry` commands, and reports every problem at once, by input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import TypeAdapter, ValidationError

from replicator.bootstrap.quote import quoted
from replicator.commands.registry import config, formats, mirrors, policies, references
from replicator.commands.registry.config import Registry
from replicator.core.errors import BadSettings, InputProblem
from replicator.core.replicas import Sign
from replicator.index import signature_settings
from replicator.index.signature_settings import PolicySettings
from replicator.inputs import config_file, files
from replicator.inputs.fields import Endpoint, Flag, Option, Words, in_order, is_anonymous, problem_of, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from replicator.commands.registry.mirrors import Image, Mirrors

ENDPOINT_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY"
_MIRRORS, _REFERENCES, _HOW = "which mirrors", "references", "how"
#: Bytes; a thousand mirrors have 200 KB, and ten thousand references 1 MB.
_LARGEST = 2**22

Format = Literal["text", "json", "env", "kustomize", "hosts", "k3s", "registries.conf"]
Verb = Literal["ensure", "policies", "check", "rewrite", "hosts"]
#: The verbs that write mirrors.json.
_WRITING = ("ensure", "check")


class RegistrySettings(PolicySettings):
    """What the user asks for, one field for each input of `registry/action.yml`. Empty inputs are left out before."""

    command: Annotated[Verb, Option(_HOW, "COMMAND")]
    """What to do: `ensure`, `policies`, `check`, `rewrite` or `hosts`."""
    config: Annotated[str, Option(_MIRRORS, "FILE")] = ""
    """The `registry.yaml` that says which registries are mirrored where."""
    project_id: Annotated[str, Option(_MIRRORS, "PROJECT")] = ""
    """Instead of a file: the project of the mirrors."""
    registry_locations: Annotated[Words, Option(_MIRRORS, "LOCATIONS")] = ()
    """Instead of a file: where mirrors are, in Artifact Registry's words (`us`, `europe`, `asia` or regions)."""
    registry_upstream: Annotated[str, Option(_MIRRORS, "HOST")] = ""
    """Instead of a file: the mirrored registry. Empty: `ghcr.io`, in the repository `ghcr-mirror`."""
    cleanup_policy_file: Annotated[str, Option(_MIRRORS, "FILE")] = ""
    """Cleanup policies in gcloud's form. Empty: those of the configuration, else delete what is older than 30 days, but
    keep the latest 16 versions.
    """
    apply: Annotated[Flag, Option(_HOW)] = False
    """Whether `policies` sets what differs. Without it `policies` shows that only."""
    pull: Annotated[Words, Option(_MIRRORS, "REFERENCES")] = ()
    """For `check`: images by their names at the upstream, such as `ghcr.io/org/app:v1`, that each mirror of it is asked
    for, as the one who pulls would.
    """
    sign: Annotated[Sign, Option(_HOW, "off|keyless|key")] = Sign.OFF
    """How `ensure` and `check` sign `mirrors.json`: `off`, `keyless` (with the identity of this job, which needs
    `id-token: write` and is named in a public log) or `key` (with the P-256 key in the variable SIGNING_KEY, or in the
    file that SIGNING_KEY_FILE names). If signing fails, no `mirrors.json` is written.
    """
    mirrors: Annotated[str, Option(_MIRRORS, "FILE")] = ""
    """For `rewrite`: the `mirrors.json` that `ensure` or `check` wrote. Empty: the mirrors that the configuration
    declares.
    """
    bundle: Annotated[str, Option(signature_settings.HEADING, "FILE")] = ""
    """For `rewrite`: the signature over it, `mirrors.json.sigstore.json`. It needs a policy that says who must have
    signed: `certificate_identity_regexp` and `certificate_oidc_issuer`, or `key`.
    """
    zone: Annotated[str, Option(_REFERENCES, "ZONE")] = ""
    """For `rewrite`: the zone or region of the machine that pulls. Empty, or `none`: it is not Google's, and references
    stay as they are.
    """
    images: Annotated[Words, Option(_REFERENCES, "REFERENCES")] = ()
    """For `rewrite` and `hosts`: references of images, separated by commas, blanks or line breaks."""
    file: Annotated[str, Option(_REFERENCES, "FILE")] = ""
    """For `rewrite` and `hosts`: a file with one reference a line, after those of `images`."""
    format: Annotated[Format, Option(_REFERENCES, "|".join(formats.ALL))] = "text"
    """The form of what `rewrite` prints: references (`text`, `json`, `env`, `kustomize`), or the configuration of what
    pulls (`hosts` for containerd, `k3s`, `registries.conf` for Podman).
    """
    output: Annotated[str, Option(_REFERENCES, "PATH")] = ""
    """Where `rewrite` writes that: a file, or for `hosts` a folder. Empty: to the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A reference, and where it is from: the line of a file, or 0 for the input `images`."""

    text: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a run needs to know before its first call."""

    settings: RegistrySettings
    registry: Registry | None
    """The configuration; None where a run needs none."""
    mirrors: Mirrors | None
    """What `rewrite` uses; None for others."""
    signed_by: str
    """Who signed them, once that is verified; empty if nobody was asked for."""
    policies: Mapping[str, Mapping[str, Any]]
    """Cleanup policies as the API wants them, by id."""
    lines: tuple[Line, ...]
    pulls: tuple[Image, ...]
    """The images that `check` asks the mirrors for."""
    endpoint: str
    anonymous: bool


def load(given: Mapping[str, str], env: Mapping[str, str]) -> Inputs:
    """Check what was given (input → text; empty means not given).

    Raises BadSettings with every problem, and SignatureWrong if mirrors.json isn't signed as the policy says.
    """
    values = {
        name: text.strip() for name, text in given.items() if name in RegistrySettings.model_fields and text.strip()
    }
    problems = [
        InputProblem(*found) for found in (*signature_settings.problems(values, ["bundle"]), *_together(values))
    ]
    settings = None
    try:
        settings = RegistrySettings.model_validate(values)
    except ValidationError as error:
        problems += [problem_of(item) for item in error.errors()]
    inputs = _read(settings, env, problems) if settings else None
    problems = without_secrets(problems, {name: text for name, text in values.items() if name != "images"})
    if inputs is None or problems:
        raise BadSettings(in_order(problems, RegistrySettings.model_fields))
    return inputs


def _together(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with inputs together, as (input, text), from unconverted inputs."""
    verb = given.get("command")
    if given.get("sign", Sign.OFF).lower() != Sign.OFF and verb not in _WRITING:
        yield "sign", f"is for {' and '.join(_WRITING)}, which write mirrors.json: leave it out"
    if given.get("bundle") and (verb != "rewrite" or not given.get("mirrors")):
        yield "bundle", "is the signature over the mirrors.json that `rewrite` is given by mirrors: give both, or none"


def _read(settings: RegistrySettings, env: Mapping[str, str], problems: list[InputProblem]) -> Inputs:
    """Read the files that the settings name; what is wrong is added to the problems."""
    verb = settings.command
    needs_config = verb in {"ensure", "policies", "check"} or (verb == "rewrite" and not settings.mirrors)
    registry = _registry(settings, env, problems) if needs_config else None
    found, signed_by = None, ""
    if verb == "rewrite" and settings.mirrors:
        found, signed_by = _recorded(settings, env, problems)
    elif verb == "rewrite":
        found = registry.declared() if registry else None
    lines = _lines(settings, env, problems) if verb in {"rewrite", "hosts"} else ()
    of_references = verb == "hosts" or (verb == "rewrite" and settings.format in formats.OF_REFERENCES)
    if of_references and not lines and not problems:
        problems.append(InputProblem("images", "is needed: give references of images, or a file with one a line"))
    return Inputs(
        settings=settings,
        registry=registry,
        mirrors=found,
        signed_by=signed_by,
        policies=_policies(settings, registry, env, problems) if registry and verb != "rewrite" else {},
        lines=lines,
        pulls=_pulls(settings, registry, problems) if registry and verb == "check" else (),
        endpoint=_endpoint(env, problems) if verb in {"ensure", "policies", "check"} else "",
        anonymous=is_anonymous(env),
    )


def _registry(settings: RegistrySettings, env: Mapping[str, str], problems: list[InputProblem]) -> Registry | None:
    short = {
        name: getattr(settings, name)
        for name in ("project_id", "registry_locations", "registry_upstream")
        if getattr(settings, name)
    }
    if settings.config:
        problems += [InputProblem(name, "is given beside config, which says it already") for name in short]
        try:
            return config_file.read_as(Registry, settings.config, env)
        except config_file.BadConfig as error:
            problems += [InputProblem("config", text, settings.config, line) for line, text in error.problems]
            return None
    lacking = [name for name in ("project_id", "registry_locations") if name not in short]
    if lacking:
        problems += [InputProblem(name, "is needed, or a file registry.yaml by config") for name in lacking]
        return None
    upstream = settings.registry_upstream or "ghcr.io"
    try:
        return Registry.model_validate(config.short(settings.project_id, settings.registry_locations, upstream))
    except ValidationError as error:
        inputs = {"project": "project_id", "locations": "registry_locations", "mirrors": "registry_upstream"}
        several = [item for item in error.errors() if item["type"] != "too_short"]
        for item in several or error.errors():
            told = item["ctx"]["error"] if item["type"] == "value_error" else item["msg"]
            problems.append(InputProblem(inputs[str(item["loc"][0])], str(told)))
        return None


def _recorded(
    settings: RegistrySettings, env: Mapping[str, str], problems: list[InputProblem]
) -> tuple[Mirrors | None, str]:
    """Return the mirrors of mirrors.json, and who signed its very bytes. Raises SignatureWrong before it is parsed."""
    signed_by = ""
    try:
        data = files.given_bytes(settings.mirrors, env, largest=_LARGEST)
        if settings.bundle and not problems:
            # Others don't pay for its import.
            from replicator.index import verify_signature

            policy = verify_signature.policy(settings, env)
            signed_by = verify_signature.verify(data, {"bundle": settings.bundle}, policy).by
        return mirrors.parse(files.decoded(data, Path(settings.mirrors))), signed_by
    except (files.Unfit, mirrors.BadMirrors) as error:
        problems.append(InputProblem("mirrors", str(error)))
    except BadSettings as error:
        problems += error.problems
    return None, ""


def _lines(settings: RegistrySettings, env: Mapping[str, str], problems: list[InputProblem]) -> tuple[Line, ...]:
    lines = [Line(text=text, number=0) for text in settings.images]
    if settings.file:
        try:
            whole = files.given(settings.file, env, largest=_LARGEST)
        except files.Unfit as error:
            problems.append(InputProblem("file", str(error)))
            return ()
        lines += [
            Line(text=text.strip(), number=number)
            for number, text in enumerate(whole.splitlines(), 1)
            if text.strip() and not text.lstrip().startswith("#")
        ]
    return tuple(lines)


def _pulls(settings: RegistrySettings, registry: Registry, problems: list[InputProblem]) -> tuple[Image, ...]:
    """Parse the images to ask for; of each there must be a mirror."""
    found, declared = [], registry.declared()
    for text in settings.pull:
        try:
            image = declared.image(references.parse(text))
        except references.BadReference as error:
            problems.append(InputProblem("pull", str(error)))
            continue
        if image.upstream in registry.mirrors:
            found.append(image)
            continue
        there = f"the configuration mirrors {', '.join(sorted(registry.mirrors))}"
        problems.append(InputProblem("pull", f"{quoted(text)} isn't at an upstream of a mirror: {there}"))
    return tuple(found)


def _policies(
    settings: RegistrySettings, registry: Registry, env: Mapping[str, str], problems: list[InputProblem]
) -> Mapping[str, Mapping[str, Any]]:
    path = settings.cleanup_policy_file or registry.cleanup_policy
    name = "cleanup_policy_file" if settings.cleanup_policy_file else "config"
    try:
        return policies.parse(files.given(path, env, largest=_LARGEST) if path else policies.DEFAULT)
    except files.Unfit as error:
        problems.append(InputProblem(name, str(error)))
    except policies.BadPolicies as error:
        problems += [InputProblem(name, f"{quoted(path)}: {text}") for text in error.problems]
    return {}


def _endpoint(env: Mapping[str, str], problems: list[InputProblem]) -> str:
    try:
        return TypeAdapter(Endpoint).validate_python(env.get(ENDPOINT_VARIABLE, "").strip())
    except ValidationError as error:
        problems += [InputProblem(ENDPOINT_VARIABLE, problem_of(item).text) for item in error.errors()]
        return ""
