"""Reads the inputs of what speaks to a forge into typed objects; reports every problem at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from replicator.bootstrap.quote import quoted
from replicator.commands.release.gate import TAG_PATTERN
from replicator.commands.release.names import NOT_IN_A_REF
from replicator.commands.release.plan import Replace
from replicator.core.errors import BadSettings, InputProblem
from replicator.core.replicas import Sign
from replicator.index import signature_settings
from replicator.inputs.fields import Flag, Minutes, Option, given_values, problem_of, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHAT = "what is released"
_WHERE = "where"
_HOW = "how"
_MAY = "what may be done"
_WHO = "who signed"
#: The runner's own token. Python gets it as text by the environment and never as an option.
_RUNNERS_TOKEN = "${{ github.token }}"  # noqa: S105 - an expression


class Kind(StrEnum):
    """The forges that this program speaks to."""

    AUTO = "auto"
    GITHUB = "github"
    GITEA = "gitea"
    FORGEJO = "forgejo"


class Verify(StrEnum):
    """How an asset is compared where the forge tells no digest."""

    FULL = "full"
    SIZE = "size"


def _tag(value: str) -> str:
    wrong = NOT_IN_A_REF.search(value)
    if not value.isprintable() or wrong or value.startswith("refs/") or len(value) > 200:
        raise ValueError(f"{quoted(value)} isn't a valid tag; write its name alone, as in v1.2.3")
    return value


def _commit(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", value):
        raise ValueError(f"{quoted(value)} isn't a full commit SHA in lower case, of 40 hexadecimal digits")
    return value


def _repository(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+", value) or value.endswith(("/.", "/..")):
        raise ValueError(f"{quoted(value)} isn't a valid repository; write OWNER/NAME")
    return value


def _server(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = parts.hostname and parts.port != 0 and parts.username is None and not parts.query + parts.fragment
    except ValueError:
        parts, valid = urlsplit(""), None
    if not valid or parts.scheme not in {"https", "http"}:
        raise ValueError(f"{quoted(value)} isn't a valid address of a server; write https://HOST")
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise ValueError(f"{quoted(value)} would get the token unencrypted: use https (http is for loopback only)")
    return value.rstrip("/")


def _prerelease(value: str) -> str:
    if value not in {"auto", "true", "false"}:
        raise ValueError(f"{quoted(value)} is not one of auto, true, false")
    return value


Tag = Annotated[str, AfterValidator(_tag)]
Commit = Annotated[str, AfterValidator(_commit)]
Switch = Annotated[str, AfterValidator(_prerelease)]


class Where(BaseModel):
    """Which repository of which forge."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    server_url: Annotated[str, AfterValidator(_server), Option(_WHERE, "URL")] = ""
    """The address of the forge, `https://HOST`. Empty: the runner's server; on a command line `https://github.com`."""
    repository: Annotated[str, AfterValidator(_repository), Option(_WHERE, "OWNER/NAME")] = ""
    """The repository. Empty: the runner's."""
    forge: Annotated[Kind, Option(_WHERE, "auto|github|gitea|forgejo")] = Kind.AUTO
    """The kind of forge: `github`, `gitea` or `forgejo`. `auto` tells it by the runner's variables, or asks the server.
    """
    timeout_minutes: Annotated[Minutes, Option("how long it may take", "MINUTES")] = 30.0
    """How long it may take, including waits for limits of the forge."""


class _Tagged(BaseModel):
    model_config = Where.model_config

    release_tag: Annotated[Tag, Option(_WHERE, "TAG")] = ""
    """The tag of the release. Empty: the tag that was pushed, or that the workflow was dispatched on."""


class Place(Where, _Tagged):
    """Which release of which repository."""


class ReleaseSettings(Place):
    """What the user asks for, one field for each input of `release/action.yml`. Empty inputs are left out before."""

    files: Annotated[str, Option(_WHAT, "PATTERNS")] = ""
    """The files to put on the release: a path or a glob on each line, relative to the workspace; `NAME=path` renames. A
    line that matches nothing is an error. Globs leave out dotfiles, links, FIFOs and what looks like credentials.
    """
    index: Annotated[str, Option(_WHAT, "FILE")] = ""
    """The `image-index.json` to put on the release."""
    bundle: Annotated[str, Option(_WHAT, "FILE")] = ""
    """The signature over the index, `image-index.json.sigstore.json`."""
    attestation: Annotated[str, Option(_WHAT, "FILE")] = ""
    """The signed statement about the index, `image-index.json.intoto.sigstore.json`."""
    commit: Annotated[Commit, Option(_WHAT, "SHA")] = ""
    """The full SHA of the commit that the files were built from; the tag must be at it. Empty: the runner's commit, or
    that of the index.
    """
    title: Annotated[str, Option(_HOW, "TEXT")] = ""
    """The title of the release. Empty: the tag."""
    notes_file: Annotated[str, Option(_HOW, "FILE")] = ""
    """A file with the notes, in Markdown. Empty: notes with images, checksums and commit."""
    prerelease: Annotated[Switch, Option(_HOW, "auto|true|false")] = "auto"
    """Whether it is a prerelease. `auto`: if the tag has `-rc`, `-alpha` or `-beta` in it."""
    latest: Annotated[Switch, Option(_HOW, "auto|true|false")] = "auto"
    """Whether GitHub shows it as the latest release; `false` for boot images beside other releases."""
    publish: Annotated[Flag, Option(_MAY)] = True
    """Whether to publish. `false` leaves the complete, verified draft for a person."""
    replace: Annotated[Replace, Option(_MAY, "draft|always|never")] = Replace.DRAFT
    """Where an asset that differs is replaced: only in a `draft`, `always` (in published releases too, unless they are
    immutable), or `never`.
    """
    sign: Annotated[Sign, Option(_MAY, "off|keyless|key")] = Sign.OFF
    """How `SHA256SUMS` is signed: `off`, `keyless` (needs `id-token: write`) or `key` (with the P-256 key in the
    variable SIGNING_KEY, or in the file that SIGNING_KEY_FILE names).
    """
    verify: Annotated[Verify, Option(_HOW, "full|size")] = Verify.FULL
    """How assets are checked where the forge tells no digest (Gitea, Forgejo): `full` reads each back once, `size`
    trusts name and size.
    """
    skip_server_urls: Annotated[str, Option("when", "URLS")] = "https://codeberg.org"
    """Servers on which nothing is done, successfully: mirrors that run the same workflow."""
    token: Annotated[str, Option("the token")] = _RUNNERS_TOKEN
    """The token that may write the repository's contents."""
    token_file: Annotated[str, Option("the token", "FILE")] = ""
    """A file that holds the token, instead of a variable."""
    dry_run: Annotated[Flag, Option(_MAY)] = False
    """Whether to read and compare only, without writing anything."""
    distribute: Annotated[str, Option("when", "true|false|auto")] = ""
    """`true`, `false`, or empty (`auto`): run on a push of a tag that matches `tag_pattern`, and on a dispatch that
    names `release_tag` or a tag. Never runs on a pull request.
    """
    tag_pattern: Annotated[str, Option("when", "PATTERNS")] = TAG_PATTERN
    """The tags whose push runs the action: GitHub's filter patterns, as in `on.push.tags`. In order, and `!` excludes;
    `*` stops at `/`, and `**` does not.
    """


class ShowSettings(Place):
    """What `release show` is to check."""

    download: Annotated[str, Option(_WHAT, "FOLDER")] = ""
    """A folder, which must not exist, for the assets once they are verified."""
    wait: Annotated[str, Option("how long it may take", "SECONDS")] = ""
    """How many seconds to wait until the release is published. Empty: not at all."""
    certificate_identity_regexp: Annotated[str, Option(_WHO, "REGEXP")] = ""
    """The identity that must have signed keyless: a regular expression that matches the whole identity."""
    certificate_oidc_issuer: Annotated[str, Option(_WHO, "URL")] = ""
    """The issuer that must have confirmed that identity: `https://token.actions.githubusercontent.com` for GitHub."""
    key: Annotated[str, Option(_WHO, "FILE")] = ""
    """A file with the public key (PEM) whose private key must have signed `SHA256SUMS` and the index."""
    trusted_root: Annotated[str, Option(_WHO, "FILE")] = ""
    """A file with a trusted root of Sigstore, to verify offline or with another Sigstore than the public one."""
    token_file: Annotated[str, Option("the token", "FILE")] = ""
    """A file that holds a token, for repositories that are private."""

    @property
    def policy(self) -> dict[str, str]:
        """What was given of who must have signed; empty if nobody has to."""
        names = ("certificate_identity_regexp", "certificate_oidc_issuer", "key", "trusted_root")
        return {name: value for name in names if (value := getattr(self, name))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the release is, with what the runner knows filled in."""

    server: str
    repository: str
    kind: Kind
    tag: str
    """The tag of the release; empty where no release is meant."""


def validated(model: Any, given: Mapping[str, str], env: Mapping[str, str]) -> Any:
    """Return the settings of `model`. Raises BadSettings with every problem; the token is none of them."""
    own = {name: text for name, text in given.items() if name in model.model_fields and name != "token"}
    values: dict[str, Any] = given_values(own, {})
    problems, settings = [], None
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        problems = [problem_of(item) for item in error.errors()]
    problems = without_secrets(problems, own)
    target, lacking = _target(values, env, of_release=issubclass(model, Place))
    if isinstance(settings, ReleaseSettings):
        lacking += _together(settings)
    if isinstance(settings, ShowSettings) and settings.policy:
        # The signatures are on the release; what they are called there is no input.
        lacking += [InputProblem(*found) for found in signature_settings.problems({**settings.policy, "bundle": "-"})]
    problems += [problem for problem in lacking if problem.input not in {item.input for item in problems}]
    if settings is None or problems:
        raise BadSettings(problems)
    return settings, target


def _target(
    values: Mapping[str, Any], env: Mapping[str, str], *, of_release: bool
) -> tuple[Target, list[InputProblem]]:
    problems = []
    ref = env.get("GITHUB_REF", "")
    pushed = ref.removeprefix("refs/tags/") if ref.startswith("refs/tags/") else ""
    tag = (values.get("release_tag") or pushed) if of_release else ""
    repository = values.get("repository") or env.get("GITHUB_REPOSITORY", "")
    server = values.get("server_url") or env.get("GITHUB_SERVER_URL") or "https://github.com"
    if of_release and not tag:
        problems.append(InputProblem("release_tag", "is needed, because no tag was pushed: write the tag's name"))
    if not repository:
        problems.append(InputProblem("repository", "is needed: write OWNER/NAME"))
    for name, check, value in (
        ("release_tag", _tag, tag),
        ("repository", _repository, repository),
        ("server_url", _server, server),
    ):
        try:
            check(value) if value else None
        except ValueError as error:
            problems.append(InputProblem(name, str(error)))
    kind = Kind.AUTO
    if not values.get("server_url"):
        by_runner = ((Kind.FORGEJO, "FORGEJO_ACTIONS"), (Kind.GITEA, "GITEA_ACTIONS"), (Kind.GITHUB, "GITHUB_ACTIONS"))
        kind = next((kind for kind, variable in by_runner if env.get(variable) == "true"), Kind.AUTO)
    host = (urlsplit(server).hostname or "").lower()
    if host == "github.com" or host.endswith(".ghe.com"):
        kind = Kind.GITHUB
    return Target(server=server.rstrip("/"), repository=repository, kind=kind, tag=tag), problems


def _together(settings: ReleaseSettings) -> list[InputProblem]:
    problems = []
    if not settings.files and not settings.index:
        problems.append(InputProblem("files", "or index is needed: there is nothing to release"))
    if not settings.index:
        problems += [
            InputProblem(name, "is a signature over an index: give index as well")
            for name in ("bundle", "attestation")
            if getattr(settings, name)
        ]
    return problems
