"""Brings Compute Engine into the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.compute import changes, creation, forms, images, limits, operations, permissions, policies
from emulator.compute.call import Call, Timing
from emulator.compute.discovery import DOCUMENT
from emulator.compute.disks import methods as disks
from emulator.compute.scenario import Scenario
from emulator.compute.state import State
from emulator.compute.templates import methods as templates
from emulator.core import service
from emulator.core.api_errors import ApiError
from emulator.core.scenario import BadScenario
from emulator.core.service import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emulator.compute.state import Change
    from emulator.core.discovery.document import Method, Route
    from emulator.core.guard import Meter, Need

# What a stale read can see.
REMEMBERED = ("compute.images.", "compute.imageFamilyViews.", "compute.imageViews.")
TEMPLATES = ("compute.instanceTemplates.", "compute.regionInstanceTemplates.")


class Compute(service.Service[Call]):
    """Images, instance templates, disks and operations of every project."""

    document = DOCUMENT
    scenario = Scenario
    handlers = {  # noqa: RUF012 -- declared as a class's own in the base
        **images.HANDLERS,
        **creation.HANDLERS,
        **changes.HANDLERS,
        **policies.HANDLERS,
        **operations.HANDLERS,
        **templates.HANDLERS,
        **disks.HANDLERS,
    }

    def __init__(self, setting: service.Setting) -> None:
        super().__init__(setting)
        self.rules = Scenario.model_validate(setting.scenario)
        seed = self.rules.seed
        self._first_id = None if seed is None else 10**18 + seed * 10**12
        first_id = self._first_id or int(setting.clock.now()) * 10**9
        self.state = State(
            first_id=first_id,
            pending_heads=self.rules.switches.pending_heads_family,
            numbers=self.rules.project_numbers,
        )
        self.timing = Timing.around(setting.copy_seconds, wait=setting.wait_seconds, said=self.rules.copy_seconds)

    def reset(self) -> None:
        """Go back to the scenario's images. Raises BadScenario."""
        self.state.clear(self._first_id)
        for index, spec in enumerate(self.rules.images):
            try:
                images.place(self.state, spec, self.setting.clock.now())
            except ApiError as error:
                raise BadScenario(f"images.{index}: {error.message}") from None
            except ValueError as error:
                raise BadScenario(f"images.{index}: {error}") from None
        for index, each in enumerate(self.rules.instance_templates):
            try:
                templates.place(self.state, each, self.setting.clock.now())
            except (ApiError, ValueError) as error:
                said = error.message if isinstance(error, ApiError) else error
                raise BadScenario(f"instance_templates.{index}: {said}") from None

    def commit(self, change: Change) -> None:
        """Make a change that an answer asks for."""
        self.state.commit(change)

    def call(self, request: service.Call, *, stale: bool) -> Call:
        """The request with what exists and how long things take."""
        state = (stale and self._earlier(request.method, request.parameters)) or self.state
        given = {**vars(request), "project": self.state.project(request.project)}
        return Call(**given, state=state, timing=self.timing)

    def needs(self, call: Call, target: str) -> Iterator[Need]:
        """The permissions that a request needs, in the order in which they are looked at."""
        return permissions.needs(call, target)

    def target(self, route: Route, body: object) -> str:
        """What a request is about: of an insert, the image or the template to be made."""
        name = body.get("name") if isinstance(body, dict) else None
        named = route.method.id.endswith(".insert") and isinstance(name, str)
        return f"{route.target}/{name}" if named else route.target

    def starts_operation(self, method: Method) -> bool:
        """Whether a method changes something through an operation."""
        return method.response == "Operation" and "Operations." not in method.id

    def can_be_stale(self, route: Route) -> bool:
        """Whether a request reads images, or instance templates, that have changed."""
        return route.method.verb == "GET" and self._earlier(route.method.id, route.parameters) is not None

    def _earlier(self, method: str, parameters: Mapping[str, str]) -> State | None:
        """What a stale read sees; None for other requests, and for images that never changed."""
        project = self.state.project(parameters.get("project", ""))
        if method.startswith(TEMPLATES):
            return self.state.earlier_templates(project)
        if not method.startswith(REMEMBERED):
            return None
        name = next(filter(None, map(parameters.get, permissions.NAMES)), "")
        return self.state.earlier(project, name=name, family=parameters.get("family", ""))

    def check_query(self, query: Mapping[str, Any]) -> None:
        """Raises ApiError 400 for a request id that isn't a valid UUID."""
        if "requestId" in query:
            forms.check_request_id(query["requestId"])

    def meter(self, call: Call, method: Method) -> Meter | None:
        """What a request counts against, if anything."""
        return limits.meter(call, method)

    def repeated(self, call: Call, method: Method) -> Answer | None:
        """The first answer's operation, for a request id that was seen before (also if that operation failed)."""
        if not call.request_id or not self.starts_operation(method):
            return None
        operation = self.state.repeated(call.project, call.request_id)
        if operation and call.scenario.switches.failed_request_id == "new" and operation.failed(call.now):
            return None
        return None if operation is None else Answer(body=operations.render(operation, call.now))

    def moments(self, now: float) -> Iterator[float]:
        """When operations end and images settle."""
        yield from (operation.ends for operation in self.state.operations(None))
        for image in self.state.images(None, now):
            yield image.settles if image.gone is None else image.gone

    def show(self, now: float) -> dict[str, Any]:
        """All images with project and policy, PENDING ones too, templates, disks, operations; oldest first."""
        placed = [{**templates.render(each), "project": each.project} for each in self.state.templates.all()]
        blank = [{**disks.render(each), "project": each.project} for each in self.state.disks.all()]
        shown = sorted(self.state.images(None, now), key=lambda image: image.created)
        return {
            "images": [
                {**images.render(image, now), "project": image.project, "policy": policies.render(image.policy, 3)}
                for image in shown
            ],
            **({"instance_templates": placed} if placed else {}),
            **({"disks": blank} if blank else {}),
            "operations": [operations.render(operation, now) for operation in self.state.operations(None)],
        }


SERVICE = Compute
