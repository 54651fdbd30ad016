"""World, Frame and Commands: what persists, one tick's mail, and the changes asked for in a tick.

All three live on the main thread. Components and resources are frozen dataclasses; a class is its own key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar, overload

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Insert:
    """Give an entity a component, replacing the one of the same class."""

    entity: int
    component: object


@dataclass(frozen=True, slots=True)
class Despawn:
    """Remove an entity and all its components."""

    entity: int


@dataclass(frozen=True, slots=True)
class Put:
    """Set a resource, replacing the one of the same class."""

    resource: object


Change = Insert | Despawn | Put


class World:
    """Entities, their components, and resources. It has no public mutator: only COMMIT changes it."""

    def __init__(self) -> None:
        self.tick = 0
        self._entity_ids = count(1)
        self._tables: dict[type, dict[int, Any]] = {}
        self._resources: dict[type, Any] = {}

    def resource(self, kind: type[A]) -> A:
        """The resource of that class. Raises `LookupError` naming it and the tick."""
        found = self._resources.get(kind)
        if found is None:
            raise LookupError(f"no {kind.__name__} resource at tick {self.tick}; install the plugin that puts it")
        return found  # type: ignore[no-any-return]

    def has_resource(self, kind: type) -> bool:
        return kind in self._resources

    @overload
    def query(self, kind: type[A], /) -> Iterator[tuple[int, A]]: ...
    @overload
    def query(self, kind: type[A], kind_b: type[B], /) -> Iterator[tuple[int, A, B]]: ...
    @overload
    def query(self, kind: type[A], kind_b: type[B], kind_c: type[C], /) -> Iterator[tuple[int, A, B, C]]: ...
    def query(self, *kinds: type) -> Iterator[tuple[Any, ...]]:
        """Entities that have all the components, with those components, in the order of entity ids."""
        tables = [self._tables.get(kind, {}) for kind in kinds]
        for entity in sorted(set(tables[0]).intersection(*tables[1:])):
            yield entity, *(table[entity] for table in tables)

    def _apply(self, change: Change) -> None:
        match change:
            case Insert(entity, component):
                self._tables.setdefault(type(component), {})[entity] = component
            case Despawn(entity):
                for table in self._tables.values():
                    table.pop(entity, None)
            case Put(resource):
                self._resources[type(resource)] = resource


class Frame:
    """One tick's mail between stages, dropped after RENDER. The key is the record's class."""

    def __init__(self) -> None:
        self._mail: dict[type, list[Any]] = {}

    def send(self, record: object) -> None:
        self._mail.setdefault(type(record), []).append(record)

    def read(self, kind: type[A]) -> tuple[A, ...]:
        """All records of that class sent this tick, in the order they were sent."""
        return tuple(self._mail.get(kind, ()))

    def last(self, kind: type[A]) -> A | None:
        mail = self._mail.get(kind)
        return mail[-1] if mail else None


class Commands:
    """Changes asked for in one tick: plain data, applied in the order asked for, only at COMMIT."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._changes: list[Change] = []
        self._sealed = False

    def spawn(self, *components: object) -> int:
        """A new entity with these components, from COMMIT on."""
        entity = next(self._world._entity_ids)  # noqa: SLF001 - the kernel's own parts
        self.insert(entity, *components)
        return entity

    def insert(self, entity: int, *components: object) -> None:
        for component in components:
            self._add(Insert(entity, component))

    def despawn(self, entity: int) -> None:
        self._add(Despawn(entity))

    def put(self, resource: object) -> None:
        self._add(Put(resource))

    def _add(self, change: Change) -> None:
        if self._sealed:
            raise RuntimeError(f"{change} came after COMMIT; move the system to an earlier stage")
        self._changes.append(change)

    def _apply(self) -> tuple[Change, ...]:
        self._sealed = True
        for change in self._changes:
            self._world._apply(change)  # noqa: SLF001 - the kernel's own parts
        return tuple(self._changes)
