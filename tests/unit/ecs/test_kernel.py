from dataclasses import dataclass

import pytest

from spatia.ecs import App, Change, Commands, Frame, Put, Stage, World


@dataclass(frozen=True)
class Position:
    x: float


@dataclass(frozen=True)
class Name:
    text: str


@dataclass(frozen=True)
class Counter:
    value: int


def count_up(world: World, frame: Frame, commands: Commands) -> None:
    value = world.resource(Counter).value if world.has_resource(Counter) else 0
    commands.put(Counter(value + 1))


def test_a_change_is_invisible_until_the_end_of_the_tick() -> None:
    seen: list[bool] = []
    app = App()
    app.add(Stage.POLL, count_up)
    app.add(Stage.COMMIT, lambda world, frame, commands: seen.append(world.has_resource(Counter)))
    app.step()
    assert seen == [False]
    assert app.world.resource(Counter) == Counter(1)


def test_a_command_after_commit_names_itself_and_the_place() -> None:
    app = App().add(Stage.RENDER, count_up)
    with pytest.raises(RuntimeError, match="came after COMMIT") as caught:
        app.step()
    assert "Put" in str(caught.value)
    assert caught.value.__notes__ == ["in system count_up at stage RENDER, tick 1"]


def test_a_missing_resource_names_itself_and_the_tick() -> None:
    with pytest.raises(LookupError, match="no Counter resource at tick 0"):
        App().world.resource(Counter)


def test_stages_run_in_order_and_systems_in_the_order_of_add() -> None:
    ran: list[str] = []
    app = App()
    for stage in reversed(Stage):
        for letter in "ab":

            def note(world: World, frame: Frame, commands: Commands, name: str = f"{stage.name}.{letter}") -> None:
                ran.append(name)

            app.add(stage, note)
    app.step()
    assert ran == [f"{stage.name}.{letter}" for stage in Stage for letter in "ab"]


def test_a_query_yields_entities_in_order_with_all_components() -> None:
    def spawn(world: World, frame: Frame, commands: Commands) -> None:
        commands.spawn(Position(1.0), Name("a"))
        commands.spawn(Position(2.0))
        third = commands.spawn(Position(3.0), Name("c"))
        commands.insert(third, Name("d"))

    app = App().add(Stage.PLAN, spawn)
    app.simulate()
    assert list(app.world.query(Position, Name)) == [(1, Position(1.0), Name("a")), (3, Position(3.0), Name("d"))]
    assert [entity for entity, _ in app.world.query(Position)] == [1, 2, 3]


def test_a_despawned_entity_loses_all_its_components() -> None:
    app = App()

    def replace_all(world: World, frame: Frame, commands: Commands) -> None:
        commands.spawn(Position(1.0))
        for entity, _ in world.query(Position):
            commands.despawn(entity)

    app.add(Stage.PLAN, replace_all)
    app.simulate()
    app.simulate()
    assert [entity for entity, _ in app.world.query(Position)] == [2]


def test_mail_lives_for_one_tick_and_is_read_by_class() -> None:
    received: list[tuple[Position, ...]] = []
    app = App()
    app.add(Stage.POLL, lambda world, frame, commands: frame.send(Position(float(world.tick))))
    app.add(Stage.RENDER, lambda world, frame, commands: received.append(frame.read(Position)))
    app.step()
    app.step()
    assert received == [(Position(0.0),), (Position(1.0),)]


def test_the_journal_gets_every_change_of_every_tick() -> None:
    journal: list[tuple[int, tuple[Change, ...]]] = []
    app = App(journal=lambda tick, changes: journal.append((tick, changes))).add(Stage.POLL, count_up)
    app.step()
    app.step()
    assert journal == [(0, (Put(Counter(1)),)), (1, (Put(Counter(2)),))]


def test_two_apps_share_nothing() -> None:
    first, second = App().add(Stage.POLL, count_up), App().add(Stage.POLL, count_up)
    first.step()
    first.step()
    second.step()
    assert first.world.resource(Counter).value == 2
    assert second.world.resource(Counter).value == 1


def test_instruments_go_around_every_system() -> None:
    from collections.abc import Iterator
    from contextlib import contextmanager

    entered: list[tuple[str, str, int]] = []

    @contextmanager
    def watch(stage: Stage, name: str, tick: int) -> Iterator[None]:
        entered.append((stage.name, name, tick))
        yield

    App().add(Stage.POLL, count_up).instrument(watch).step()
    assert entered == [("POLL", "count_up", 0)]
