"""Reads the configuration file (YAML): the settings of single locations.

The file is read strictly: an unknown or repeated key, a wrong type or an alias is an error with its line. The JSON
Schema for editors is made from the classes here (`schemas/replicate-config.schema.json`).
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from replicator.bootstrap.quote import bare, quoted
from replicator.core import names, validation
from replicator.inputs import files
from replicator.inputs.fields import SCHEMA_ADDRESS, Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


#: Bytes. A file for all regions has a few kilobytes; the parser takes a second for this many.
_LARGEST = 2**17
#: No key of ours is nested deeper than a label; anything deeper is an attack on the parser or a mistake.
_DEEPEST = 8
_KMS_KEY = re.compile(r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+")


_STRING = "tag:yaml.org,2002:str"
#: A number or a time that is longer than this is an attack: YAML 1.1 reads `1:1:1:…` as a number.
_LONGEST_NUMBER = 64
_BOOLEAN = "tag:yaml.org,2002:bool"
#: The booleans of YAML 1.2; the library reads YAML 1.1, where `no` is false.
_BOOLEANS = {"true", "True", "TRUE", "false", "False", "FALSE"}


class Place(BaseModel):
    """What is wanted in one location, in addition to what the inputs say for all locations."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    required: bool = False
    """Whether a failure in this location fails the run and keeps every family where it was."""
    project: str = ""
    """The project of the replica; `{project}` and `{location}` are filled in. Replaces the input replica_project."""
    name: str = ""
    """The name of the replica; `{name}` and `{location}` are filled in. Replaces the input name_template."""
    family: str = ""
    """The family of the replica; `{family}` and `{location}` are filled in. Replaces the input family_template."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels added to the source's labels and to those of the input labels."""
    kms_key: str = ""
    """The Cloud KMS key that encrypts the replica: `projects/P/locations/L/keyRings/R/cryptoKeys/K`."""

    @field_validator("project")
    @classmethod
    def _project(cls, value: str) -> str:
        names.check(value, frozenset({"project", "location"}))
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        names.check(value, frozenset({"name", "location"}))
        return value

    @field_validator("family")
    @classmethod
    def _family(cls, value: str) -> str:
        names.check(value, frozenset({"family", "location"}))
        return value

    @field_validator("labels")
    @classmethod
    def _labels(cls, value: dict[str, str]) -> dict[str, str]:
        validation.refuse(validation.labels_problems(value))
        return value

    @field_validator("kms_key")
    @classmethod
    def _kms_key(cls, value: str) -> str:
        if value and not _KMS_KEY.fullmatch(value):
            raise ValueError(
                f"{quoted(value)} isn't a valid Cloud KMS key; "
                "write projects/P/locations/L/keyRings/R/cryptoKeys/K (no version)"
            )
        return value


class Config(BaseModel):
    """Configuration of gce-image-replicator: the wanted locations, and the settings of each."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    locations: Annotated[dict[Location, Place | None], Field(min_length=1)]
    """The settings of each storage location (`us`, `eu`, `asia` or a region); empty if it needs none."""

    def place(self, location: str) -> Place:
        """Return the settings of a location."""
        return self.locations.get(location) or Place()


#: What pydantic says in Python's words, in YAML's.
_WORDS = {
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of keys to values",
    "list_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "string_type": "must be a text",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
}
_Model = TypeVar("_Model", bound=BaseModel)


class BadConfig(ValueError):
    """An invalid configuration file; `problems` are (line, text), with line 0 for the file as a whole."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        super().__init__("; ".join(text for _, text in problems))
        self.problems = problems


def read(given: str, env: Mapping[str, str]) -> Config:
    """Read and check the file that the input names. Raises BadConfig with every problem."""
    return read_as(Config, given, env)


def read_as(kind: type[_Model], given: str, env: Mapping[str, str]) -> _Model:
    """Read and check a file of a kind that the input names. Raises BadConfig with every problem."""
    try:
        text = files.given(given, env, largest=_LARGEST)
    except files.Unfit as error:
        raise BadConfig([(0, str(error))]) from None
    return parse_as(kind, text)


def parse(text: str) -> Config:
    """Parse and check the text of a file. Raises BadConfig with every problem."""
    return parse_as(Config, text)


def parse_as(kind: type[_Model], text: str) -> _Model:
    """Parse and check the text of a file of a kind. Raises BadConfig with every problem."""
    lines: dict[tuple[str, ...], int] = {}
    problems: list[tuple[int, str]] = []
    try:
        _refuse_what_grows(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = _plain(root, (), lines, problems) if root else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise BadConfig([(line, f"isn't valid YAML: {bare(str(error.problem))}")]) from None
    except yaml.YAMLError as error:
        raise BadConfig([(0, f"isn't valid YAML: {bare(str(error).splitlines()[0])}")]) from None
    config = None
    try:
        config = kind.model_validate(data)
    except ValidationError as error:
        problems += _described(error, lines, kind)
    if problems or config is None:
        raise BadConfig(sorted(problems))
    return config


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA_ADDRESS}replicate-config.schema.json",
        **Config.model_json_schema(),
        "title": "Configuration of gce-image-replicator",
    }


def _refuse_what_grows(text: str) -> None:
    """Raise BadConfig for aliases, which can make a small file huge, and for nesting that crashes the parser."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise BadConfig([(line, "holds an anchor or alias; write the value out")])
        if tag := getattr(event, "tag", None):
            raise BadConfig([(line, f"holds the tag {bare(tag)}; write the plain value")])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise BadConfig([(line, "is nested too deeply")])


def _plain(
    node: yaml.Node, path: tuple[str, ...], lines: dict[tuple[str, ...], int], problems: list[tuple[int, str]]
) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return dict(_items(node, path, lines, problems))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, str(number)), lines, problems) for number, item in enumerate(node.value)]
    if node.tag == _BOOLEAN and node.value not in _BOOLEANS:
        problems.append((node.start_mark.line + 1, f"{_where(path)}: {quoted(node.value)} is not one of true, false"))
        return False
    if node.tag != _STRING and len(node.value) > _LONGEST_NUMBER:
        raise BadConfig([(node.start_mark.line + 1, f"{_where(path)}: is too long for a number or a time")])
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, yaml.YAMLError) as error:
        problems.append(
            (
                node.start_mark.line + 1,
                f"{_where(path)}: {bare(str(error))}",
            )
        )
        return None


def _items(
    node: yaml.MappingNode, path: tuple[str, ...], lines: dict[tuple[str, ...], int], problems: list[tuple[int, str]]
) -> Iterator[tuple[str, Any]]:
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append((line, "a key must be a word"))
            continue
        key = key_node.value
        if key in seen:
            problems.append((line, f"{quoted(key)} is given twice, first in line {seen[key]}"))
            continue
        seen[key] = line
        lines[*path, key] = line
        yield key, _plain(value_node, (*path, key), lines, problems)


def _described(
    error: ValidationError, lines: dict[tuple[str, ...], int], kind: type[BaseModel]
) -> Iterator[tuple[int, str]]:
    found = error.errors()
    # Where an item is wrong, it isn't counted either.
    for item in (each for each in found if each["type"] != "too_short" or not each["input"]):
        path = tuple(str(part) for part in item["loc"] if part != "[key]")
        line = next((lines[path[:length]] for length in range(len(path), -1, -1) if path[:length] in lines), 0)
        where = _where(path)
        if item["type"] == "extra_forbidden":
            yield line, f"unknown key {quoted('.'.join(path))}{_nearest(path, kind)}"
        elif item["type"] == "value_error":
            yield line, f"{where}: {item['ctx']['error']}"
        elif item["type"] == "missing":
            yield line, f"'{where}' is missing"
        elif not path:
            # The file may not be a configuration file at all, so nothing of it is quoted.
            needed = [f"`{field.alias or name}`" for name, field in kind.model_fields.items() if field.is_required()]
            yield line, f"holds no keys; {' and '.join(needed)} {'is' if len(needed) == 1 else 'are'} needed"
        else:
            usual = f"{item['msg'][0].lower()}{item['msg'][1:]}"
            yield line, f"{where}: {_WORDS.get(item['type'], usual)}, found {_shown(item['input'])}"


def _shown(value: Any) -> str:
    """A value of the wrong type."""
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return quoted(value) if isinstance(value, str) else repr(value)


def _where(path: tuple[str, ...]) -> str:
    """The keys that lead there, as they are quoted, without quotation marks."""
    return ".".join(map(bare, path))


def _nearest(path: tuple[str, ...], kind: type[BaseModel]) -> str:
    known = _keys_at(path[:-1], kind)
    close = difflib.get_close_matches(path[-1], known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"


def _keys_at(path: tuple[str, ...], kind: type[BaseModel]) -> list[str]:
    """The keys that a mapping in the file may have, by the schema."""
    schema = kind.model_json_schema()
    here = _object(schema, schema)
    for key in path:
        here = _object(here.get("properties", {}).get(key) or here.get("additionalProperties", {}), schema)
    return list(here.get("properties", {}))


def _object(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The part of the schema that describes a mapping, behind references and alternatives."""
    for choice in node.get("anyOf", [node]):
        found: dict[str, Any] = schema["$defs"][choice["$ref"].rsplit("/", 1)[1]] if "$ref" in choice else choice
        if found.get("type") == "object":
            return found
    return {}
