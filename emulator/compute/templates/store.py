"""Holds the instance templates of every project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, kw_only=True)
class Template:
    """An instance template; `region` is "" for a global one, `created` in milliseconds since 1970."""

    project: str
    id: str
    name: str
    created: int
    region: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        """`global` or `regions/R`."""
        return f"regions/{self.region}" if self.region else "global"

    @property
    def path(self) -> str:
        """`projects/P/global/instanceTemplates/N`, or with its region."""
        return f"projects/{self.project}/{self.scope}/instanceTemplates/{self.name}"


class Templates:
    """Instance templates by their paths."""

    def __init__(self) -> None:
        self._now: dict[str, Template] = {}
        self._before: dict[str, dict[str, Template]] = {}

    def change(self, *, made: tuple[Template, ...] = (), removed: tuple[Template, ...] = ()) -> None:
        """Make and remove templates."""
        for each in (*made, *removed):
            self._before[each.project] = dict(self._now)
        for each in removed:
            self._now.pop(each.path, None)
        for each in made:
            self._now[each.path] = each

    def clear(self) -> None:
        """Forget all."""
        self._now.clear()
        self._before.clear()

    def of(self, project: str) -> Iterator[Template]:
        """All templates of a project, global and regional."""
        return (each for each in list(self._now.values()) if each.project == project)

    def find(self, project: str, region: str, key: str) -> Template | None:
        """A template by its name or its numeric id."""
        own = (each for each in self.of(project) if each.region == region)
        return next((each for each in own if key in {each.name, each.id}), None)

    def all(self) -> list[Template]:
        """Those of every project, the oldest first."""
        return sorted(self._now.values(), key=lambda each: each.created)

    def earlier(self, project: str) -> Templates | None:
        """What was before the last change of a project's templates; None without one."""
        if project not in self._before:
            return None
        view = Templates()
        view.change(made=tuple(self._before[project].values()))
        return view
