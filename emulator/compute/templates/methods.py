"""Makes, shows, lists and deletes instance templates.

Sources: the discovery document; requests of gcloud 528. Whether the images that a template names are looked for when it
is made is a switch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.compute import forms, operations, references
from emulator.compute.lists import pages
from emulator.compute.state import Change
from emulator.compute.templates.store import Template
from emulator.core import api_errors
from emulator.core.clock import timestamp
from emulator.core.service import Answer, Handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.compute.call import Call
    from emulator.compute.scenario import PlacedTemplate
    from emulator.compute.state import State

KEPT = ("description", "properties", "sourceInstance", "sourceInstanceParams")
NO_RESULTS = {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results for scope '{}' on this page."}
# What every project has, beside the regions that its templates are in.
SCOPES = ("global", "regions/us-central1")


def render(template: Template) -> dict[str, Any]:
    """The API's form."""
    shown: dict[str, Any] = {
        "kind": "compute#instanceTemplate",
        "id": template.id,
        "creationTimestamp": timestamp(template.created / 1000),
        "name": template.name,
        "selfLink": references.link(template.path),
        **template.fields,
    }
    if template.region:
        shown["region"] = references.link(f"projects/{template.project}/regions/{template.region}")
    return shown


def place(state: State, spec: PlacedTemplate, now: float) -> Template:
    """Put a template in place. Raises ValueError if the name is taken, ApiError for a malformed one."""
    forms.check_name("name", spec.name)
    if state.templates.find(spec.project, spec.region or "", spec.name):
        raise ValueError(f"the instance template {spec.name} of {spec.project} exists already")
    disks = [
        {"boot": not number, "initializeParams": {"sourceImage": image}} for number, image in enumerate(spec.images)
    ]
    template = Template(
        project=spec.project,
        id=state.new_id(),
        name=spec.name,
        created=int(now * 1000),
        region=spec.region or "",
        fields={"properties": {"disks": disks}},
    )
    state.templates.change(made=(template,))
    return template


def insert(call: Call) -> Answer:
    """instanceTemplates.insert and regionInstanceTemplates.insert."""
    body, region = call.body, call.parameters.get("region", "")
    name = body.get("name", "")
    forms.check_name("resource.name", name)
    if not body.get("properties") and not body.get("sourceInstance"):
        raise api_errors.required("resource.properties")
    template = Template(
        project=call.project,
        id=call.state.new_id(),
        name=name,
        created=int(call.now * 1000),
        region=region,
        fields={key: body[key] for key in KEPT if body.get(key)},
    )
    if call.state.templates.find(call.project, region, name):
        raise api_errors.already_exists(template.path)
    if call.scenario.switches.template_images == "existing":
        for text in images(template):
            references.image(call.state, text, "resource.properties.disks", call.project, call.now)
    operation = operations.start(call, "insert", template.path, template.id, call.timing.other, scope=template.scope)
    made = (template,) if operations.applies(call) else ()
    return operations.announced(operation, call, Change(operation=operation, templates=made))


def images(template: Template) -> Iterator[str]:
    """What a template's disks are made of, as it was given."""
    for disk in template.fields.get("properties", {}).get("disks", ()):
        if text := disk.get("initializeParams", {}).get("sourceImage"):
            yield text


def get(call: Call) -> Answer:
    """instanceTemplates.get and regionInstanceTemplates.get."""
    return Answer(body=render(_found(call)))


def delete(call: Call) -> Answer:
    """instanceTemplates.delete and regionInstanceTemplates.delete; there are no groups that could use one."""
    template = _found(call)
    operation = operations.start(call, "delete", template.path, template.id, call.timing.other, scope=template.scope)
    removed = (template,) if operations.applies(call) else ()
    return operations.announced(operation, call, Change(operation=operation, removed_templates=removed))


def _found(call: Call) -> Template:
    region, name = call.parameters.get("region", ""), call.parameters["instanceTemplate"]
    template = call.state.templates.find(call.project, region, name)
    if template is None:
        place = f"regions/{region}" if region else "global"
        raise api_errors.not_found(f"projects/{call.project}/{place}/instanceTemplates/{name}")
    return template


def listed(call: Call) -> Answer:
    """instanceTemplates.list (global ones) and regionInstanceTemplates.list."""
    region = call.parameters.get("region", "")
    path = f"projects/{call.project}/{f'regions/{region}' if region else 'global'}/instanceTemplates"
    own = [render(each) for each in call.state.templates.of(call.project) if each.region == region]
    items, rest = pages.page(call, "InstanceTemplate", own)
    body: dict[str, Any] = {"kind": "compute#instanceTemplateList", "id": path, "selfLink": references.link(path)}
    return Answer(body=body | ({"items": items} if items else {}) | rest)


def aggregated(call: Call) -> Answer:
    """instanceTemplates.aggregatedList: all scopes, those without a template on the page with a warning."""
    path = f"projects/{call.project}/aggregated/instanceTemplates"
    own = list(call.state.templates.of(call.project))
    shown, rest = pages.page(call, "InstanceTemplate", [render(each) for each in own])
    scopes: dict[str, dict[str, Any]] = {}
    for scope in sorted({*SCOPES, *(each.scope for each in own)}):
        there = [each for each in shown if f"/{scope}/instanceTemplates/" in each["selfLink"]]
        warning = {**NO_RESULTS, "message": NO_RESULTS["message"].format(scope)}
        scopes[scope] = {"instanceTemplates": there} if there else {"warning": warning}
    body = {"kind": "compute#instanceTemplateAggregatedList", "id": path, "selfLink": references.link(path)}
    return Answer(body={**body, "items": scopes, **rest})


HANDLERS: dict[str, Handler[Call]] = {
    "compute.instanceTemplates.aggregatedList": aggregated,
    **{
        f"compute.{kind}.{name}": handler
        for kind in ("instanceTemplates", "regionInstanceTemplates")
        for name, handler in (("delete", delete), ("get", get), ("insert", insert), ("list", listed))
    },
}
