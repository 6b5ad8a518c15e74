"""Runs the emulator inside a test's own process.

with running(copy_seconds=0.05) as emulator:
    emulator.add_image(project="p1", name="web", family="web", public=True)
    ...  # talk to emulator.url
    assert emulator.journal()[-1]["method"] == "compute.images.insert"
"""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from emulator import assembly
from emulator.compute import images, policies
from emulator.compute.scenario import PlacedImage, PlacedTemplate
from emulator.compute.service import Compute
from emulator.compute.state import Change, Image
from emulator.compute.templates import methods as templates
from emulator.core.clock import DrivenClock, RealClock
from emulator.core.server import Server
from emulator.core.service import Setting
from emulator.scenario import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from emulator.core.app import App
    from emulator.core.clock import Clock

T = TypeVar("T")

START_SECONDS = 10.0


class Running:
    """An emulator that runs in a thread of its own; these calls pass HTTP, faults and journal by."""

    def __init__(self, app: App, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self.app = app
        self.compute = next(service for service in app.services if isinstance(service, Compute))
        self._loop = loop

    def journal(self) -> list[dict[str, Any]]:
        """What `GET /_emulator/journal` answers."""
        return self.run(lambda: _copy(self.app.journal.show()))

    def state(self) -> dict[str, Any]:
        """What `GET /_emulator/state` answers."""
        return self.run(lambda: _copy(self.app.show_state()))

    def faults(self, faults: Sequence[Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
        """The faults with their accounts, after setting them if a list is given. Raises ValueError for wrong ones."""

        def act() -> list[dict[str, Any]]:
            if faults is not None:
                self.app.faults.set(_copy(list(faults)))
            return _copy(self.app.faults.show())

        return self.run(act)

    def reset(self) -> None:
        """What `POST /_emulator/reset` does."""
        self.run(self.app.reset)

    def advance(self, seconds: float) -> None:
        """Move a driven clock on. Raises ValueError for a real one, and for a step back."""
        self.run(lambda: self.app.move(seconds))

    def next(self) -> float | None:
        """Move a driven clock to the next thing that happens by itself; None if nothing does. Raises ValueError."""
        return self.run(self.app.move_to_next)

    def assert_faults_used(self) -> None:
        """Raises AssertionError for faults that can still fire, or that are for ever and never did."""
        unused = [fault for fault in self.faults() if fault["left"] or not fault["fired"]]
        assert not unused, f"faults that were not used up: {json.dumps(unused)}"  # noqa: S101 -- made for tests

    def image(self, project: str, name: str) -> dict[str, Any] | None:
        """An image in the API's form; None if there is none."""

        def act() -> dict[str, Any] | None:
            now = self.app.clock.now()
            image = self.compute.state.image(project, name, now)
            return _copy(images.render(image, now)) if image else None

        return self.run(act)

    def policy(self, project: str, name: str) -> dict[str, Any]:
        """An image's IAM policy in the API's form, version 3. Raises KeyError if there is no such image."""
        return self.run(lambda: _copy(policies.render(self._found(project, name).policy, 3)))

    def add_image(
        self,
        *,
        project: str,
        name: str,
        family: str | None = None,
        labels: Mapping[str, str] | None = None,
        location: str = "us",
        locations: Sequence[str] = (),
        disk_size_gb: int = 10,
        archive_size_bytes: int | None = None,
        architecture: Literal["X86_64", "ARM64"] | None = "X86_64",
        guest_os_features: Sequence[str] = (),
        licenses: Sequence[str] = (),
        license_codes: Sequence[str] = (),
        shielded_instance_initial_state: Mapping[str, Any] | None = None,
        confidential: bool = False,
        public: bool = False,
        policy: Sequence[Mapping[str, Any]] = (),
        status: Literal["READY", "PENDING", "FAILED", "DELETING"] = "READY",
        status_seconds: float | None = None,
        description: str = "",
        created: float | None = None,
        source_image: str | None = None,
        source_image_id: str | None = None,
        deprecated: Mapping[str, Any] | None = None,
        encrypted: bool = False,
    ) -> dict[str, Any]:
        """Put an image in place, and return it in the API's form.

        `created` is in seconds since 1970 (default: now, later than all others); `source_image` is any reference;
        `public` gives `allAuthenticatedUsers` the image user's role beside the bindings of `policy`; an image that is
        PENDING or DELETING stays so, or for `status_seconds`.
        Raises ValueError if the name is taken, ApiError for malformed ones.
        """
        spec = PlacedImage(
            project=project,
            name=name,
            family=family,
            labels=dict(labels or {}),
            location=location,
            locations=tuple(locations),
            disk_size_gb=disk_size_gb,
            archive_size_bytes=archive_size_bytes,
            architecture=architecture,
            guest_os_features=tuple(guest_os_features),
            licenses=tuple(licenses),
            license_codes=tuple(license_codes),
            shielded_instance_initial_state=dict(shielded_instance_initial_state or {}),
            confidential=confidential,
            public=public,
            policy=tuple(dict(binding) for binding in policy),
            status=status,
            status_seconds=status_seconds,
            description=description,
            created=created,
            source_image=source_image,
            source_image_id=source_image_id,
            deprecated=dict(deprecated or {}),
            encrypted=encrypted,
        )

        def act() -> dict[str, Any]:
            now = self.app.clock.now()
            return _copy(images.render(images.place(self.compute.state, spec, now), now))

        return self.run(act)

    def add_template(
        self, *, project: str, name: str, images: Sequence[str] = (), region: str | None = None
    ) -> dict[str, Any]:
        """Put an instance template in place, and return it in the API's form; the first image is booted from.

        Raises ValueError if the name is taken, ApiError for a malformed one.
        """
        spec = PlacedTemplate(project=project, name=name, images=tuple(images), region=region)

        def act() -> dict[str, Any]:
            return _copy(templates.render(templates.place(self.compute.state, spec, self.app.clock.now())))

        return self.run(act)

    def settle_image(self, project: str, name: str, status: str = "READY") -> None:
        """Give an image a final status now. Raises KeyError if there is no such image."""

        def act() -> None:
            image = replace(self._found(project, name), settles=0.0, becomes=status, gone=None)
            self.compute.state.commit(Change(images=(image,)))

        self.run(act)

    def delete_image(self, project: str, name: str) -> None:
        """Take an image away. Raises KeyError if there is no such image."""
        self.run(lambda: self.compute.state.commit(Change(removed=(self._found(project, name),))))

    def _found(self, project: str, name: str) -> Image:
        image = self.compute.state.image(project, name, self.app.clock.now())
        if image is None:
            raise KeyError(f"projects/{project}/global/images/{name}")
        return image

    def run(self, act: Callable[[], T]) -> T:
        """Do something in the emulator's thread, where its state may be touched, and return the result."""
        future: Future[T] = Future()

        def call() -> None:
            try:
                future.set_result(act())
            except Exception as error:  # noqa: BLE001 -- handed over to the caller's thread
                future.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return future.result(START_SECONDS)


def _copy(value: T) -> T:
    """A deep copy, and the proof that it is JSON."""
    copy: T = json.loads(json.dumps(value))
    return copy


@contextmanager
def running(
    *,
    copy_seconds: float = 0.05,
    wait_seconds: float = Setting.wait_seconds,
    clock: Clock | None = None,
    driven: bool = False,
    scenario: Mapping[str, Any] | None = None,
) -> Iterator[Running]:
    """An emulator on a free port of loopback, until the block ends; times in seconds.

    Everything but copies takes 0.2 seconds, or as long as a copy, if that is less. With `driven`, time stands still
    but for `advance`. `scenario` has the keys of a scenario's file.
    Raises BadScenario (a ValueError) for a scenario that cannot be carried out.
    """
    rules = read(scenario or {})
    clock = clock or (DrivenClock() if driven else RealClock())
    started: Future[tuple[Server, Running]] = Future()

    async def serve() -> None:
        app = assembly.start(Setting(scenario=rules, clock=clock, copy_seconds=copy_seconds, wait_seconds=wait_seconds))
        loop = asyncio.get_running_loop()
        server = Server(app, port=0, listening=lambda url: started.set_result((server, Running(app, url, loop))))
        await server.serve()

    def main() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=main, name="emulator", daemon=True)
    thread.start()
    server, emulator = started.result(START_SECONDS)
    try:
        yield emulator
    finally:
        server.stop()
        thread.join(START_SECONDS)
