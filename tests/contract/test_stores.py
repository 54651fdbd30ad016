"""What every `WorldStore` keeps, and gives back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spatia.errors import StoreError
from spatia.records.cloud import Points, snapshot_of_points
from spatia.store.canonical import pack_plain
from spatia.store.folder import create
from spatia.store.in_memory import MemoryStore
from spatia.store.protocol import AnyArray, CloudChange, Plain, WorldStore
from support.store_samples import cloud_change, page_words

Make = Callable[[], WorldStore]


@pytest.fixture(params=["disk", "memory"])
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    stores: list[WorldStore] = []

    def new() -> WorldStore:
        scene: dict[str, Plain] = {"scene": "room", "seed": 7}
        versions = {"spatia": "0.1"}
        if request.param == "disk":
            stores.append(create(tmp_path_factory.mktemp("world"), settings=scene, fingerprint=versions))
        else:
            stores.append(MemoryStore(settings=scene, fingerprint=versions))
        return stores[-1]

    yield new
    for store in stores:
        store.close()


def test_a_new_world_has_no_commit_and_knows_its_settings(make: Make) -> None:
    store = make()
    assert store.head is None
    assert list(store.log()) == []
    assert store.settings == {"scene": "room", "seed": 7}
    assert store.fingerprint == {"spatia": "0.1"}
    assert store.fsck() == []


def test_a_commit_is_the_head_and_says_what_it_was_given(make: Make) -> None:
    store = make()
    first = store.commit("initial", {"note": "a"}, cloud=cloud_change({0: 1}, page_count=1))
    second = store.commit(
        "clip", {"round": 1, "rng": b"\x01", "poses": (1.5, None)}, arrays={"b": np.zeros(2), "a": np.ones(3)}
    )
    assert store.head == second
    assert list(store.log()) == [first, second]
    assert (second.number, second.kind, second.parent) == (1, "clip", first.hash)
    assert second.payload == {"round": 1, "rng": b"\x01", "poses": [1.5, None]}
    assert second.arrays == ("a", "b")
    assert (second.voxel_m, second.version, second.row_count) == (0.01, 0, 1024)


@pytest.mark.parametrize(
    ("kind", "cloud", "message"),
    [
        ("clip", cloud_change({0: 1}, page_count=1), "the first commit"),
        ("initial", None, "must have a cloud"),
        ("initial", cloud_change({1: 1}, page_count=2), "page 0 of 2"),
        ("snapshot", None, "must be one of"),
    ],
)
def test_what_cannot_be_a_first_commit_is_refused(make: Make, kind: str, cloud: CloudChange, message: str) -> None:
    store = make()
    with pytest.raises(ValueError, match=message):
        store.commit(kind, {}, cloud=cloud)  # type: ignore[arg-type]  # a wrong kind is one of the cases
    assert store.head is None


def test_a_second_initial_commit_is_refused(make: Make) -> None:
    store = make()
    store.commit("initial", {}, cloud=cloud_change({0: 1}, page_count=1))
    with pytest.raises(ValueError, match="no other"):
        store.commit("initial", {}, cloud=cloud_change({0: 1}, page_count=1))


@pytest.mark.parametrize(
    ("arrays", "payload", "message"),
    [
        ({"Up": np.zeros(1)}, {}, "names of arrays"),
        ({"a": np.zeros(1, dtype=np.complex64)}, {}, "complex64|c8"),
        ({"a": np.zeros(1, dtype=">f4")}, {}, "little-endian"),
        ({}, {"x": np.float32(1)}, r"payload|value\.x must be plain data; got numpy\.float32"),
    ],
)
def test_content_that_could_not_be_read_back_is_refused(
    make: Make, arrays: dict[str, AnyArray], payload: dict[str, None], message: str
) -> None:
    store = make()
    with pytest.raises(ValueError, match=message):
        store.commit("initial", payload, cloud=cloud_change({0: 1}, page_count=1), arrays=arrays)
    assert store.head is None


def test_the_whole_of_a_snapshot_comes_back(make: Make) -> None:
    positions = np.random.default_rng(0).normal(size=(2500, 3))
    cloud = snapshot_of_points(Points.of(positions, (10, 20, 30)), voxel_m=0.05, version=3)
    store = make()
    store.commit("initial", {}, cloud=CloudChange.of(cloud))
    loaded = store.load_cloud(0)
    assert (loaded.voxel_m, loaded.version, loaded.row_count) == (0.05, 3, 2500)
    np.testing.assert_array_equal(loaded.pages, cloud.arena[cloud.pages])


Step = tuple[int, dict[int, int]]  # pages in all, pages that change


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Clouds that grow, shrink and change; every page that is new to a commit is given."""
    steps: list[Step] = []
    known = 0
    for _ in range(draw(st.integers(1, 8))):
        count = draw(st.integers(0, 6))
        changes = draw(st.dictionaries(st.integers(0, max(count - 1, 0)), st.integers(0, 3), max_size=count))
        changes = {page: value for page, value in changes.items() if page < count}
        changes.update({page: draw(st.integers(0, 3)) for page in range(known, count) if page not in changes})
        steps.append((count, changes))
        known = count
    return steps


@given(history=histories())
@settings(derandomize=True, max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_commit_of_a_history_stays_readable(make: Make, history: list[Step]) -> None:
    store = make()
    expected: list[list[int]] = []
    for number, (count, changes) in enumerate(history):
        before = expected[-1] if expected else []
        expected.append([changes.get(page, before[page] if page < len(before) else -1) for page in range(count)])
        change = cloud_change(changes, page_count=count, version=number)
        store.commit("clip" if number else "initial", {}, cloud=change)
    for number, pages in enumerate(expected):
        loaded = store.load_cloud(number)
        assert loaded.version == number
        assert len(loaded.pages) == len(pages)
        for words, value in zip(loaded.pages, pages, strict=True):
            np.testing.assert_array_equal(words, page_words(value))
    assert store.fsck() == []


ARRAYS = {
    "scalar": np.array(2.5, dtype=np.float32),
    "empty": np.empty((0, 3), dtype=np.float64),
    "mask": np.arange(9).reshape(3, 3) % 2 == 0,
    "bytes": np.arange(300, dtype=np.int64).astype(np.uint8),
    "rows": np.array([-5, 2**40], dtype=np.int64),
    "half": np.array([1, np.inf], dtype=np.float16),
    "depth": np.linspace(0, 9, 2 * 30 * 40, dtype=np.float32).reshape(2, 30, 40),
    "frames.rgb": np.random.default_rng(1).integers(0, 255, (3, 16, 24, 3)).astype(np.uint8),
    "strided": np.arange(20, dtype=np.int32)[::2],
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
}


def test_arrays_of_any_shape_come_back_and_the_caller_owns_them(make: Make) -> None:
    store = make()
    store.commit("initial", {}, cloud=cloud_change({0: 1}, page_count=1), arrays=ARRAYS)
    store.load_arrays(0)["depth"][:] = 0
    store.load_cloud(0).pages[:] = 0
    loaded = store.load_arrays(0)
    assert sorted(loaded) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array, strict=True)
    assert list(store.load_arrays(0, names=["rows"])) == ["rows"]
    np.testing.assert_array_equal(store.load_cloud(0).pages[0], page_words(1))


def test_what_the_caller_changes_later_does_not_change_the_commit(make: Make) -> None:
    store = make()
    words, values = page_words(1)[None].copy(), np.ones(4)
    change = CloudChange(voxel_m=0.01, version=0, row_count=1024, page_index=np.zeros(1, dtype=np.int32), words=words)
    store.commit("initial", {}, cloud=change, arrays={"a": values})
    words[:] = 0
    values[:] = 0
    np.testing.assert_array_equal(store.load_cloud(0).pages[0], page_words(1))
    np.testing.assert_array_equal(store.load_arrays(0)["a"], np.ones(4))


def test_events_become_durable_with_the_next_commit_and_keep_their_order(make: Make) -> None:
    store = make()
    store.append_events([(3, "insert", pack_plain({"a": 1})), (3, "put", b"")])
    assert list(store.events()) == []
    store.commit("initial", {}, cloud=cloud_change({0: 1}, page_count=1))
    store.append_events([(2, "late", b"x")])
    store.commit("edit", {})
    store.append_events([(9, "never", b"")])
    assert [(e.tick, e.kind, e.payload, e.commit) for e in store.events()] == [
        (3, "insert", pack_plain({"a": 1}), 0),
        (3, "put", b"", 0),
        (2, "late", b"x", 1),
    ]
    assert store.fsck() == []


def test_events_of_a_commit_stand_behind_the_others_and_go_where_it_is_refused(make: Make) -> None:
    store = make()
    store.commit("initial", {}, cloud=cloud_change({0: 1}, page_count=1))
    store.append_events([(1, "before", b"")])
    with pytest.raises(ValueError, match="initial"):
        store.commit("initial", {}, cloud=cloud_change({0: 1}, page_count=1), events=[(1, "refused", b"")])
    store.commit("edit", {}, events=[(1, "its_own", b"")])
    assert [(e.kind, e.commit) for e in store.events()] == [("before", 1), ("its_own", 1)]


@pytest.mark.parametrize("event", [(-1, "a", b""), (0, "A!", b""), (0, "a", bytes((4 << 20) + 1))])
def test_an_event_that_could_not_be_read_back_is_refused(make: Make, event: tuple[int, str, bytes]) -> None:
    with pytest.raises(ValueError, match="an event needs"):
        make().append_events([event])


@pytest.mark.parametrize("number", [-1, 1, 2**70])
def test_a_commit_that_does_not_exist_is_a_store_error(make: Make, number: int) -> None:
    store = make()
    store.commit("initial", {}, cloud=cloud_change({0: 1}, page_count=1))
    with pytest.raises(StoreError):
        store.load_cloud(number)
    with pytest.raises(StoreError):
        store.load_arrays(number)


def test_an_array_that_does_not_exist_is_a_store_error_that_names_the_others(make: Make) -> None:
    store = make()
    store.commit("initial", {}, cloud=cloud_change({0: 1}, page_count=1), arrays={"depth": np.zeros(1)})
    with pytest.raises(StoreError, match="there are: depth"):
        store.load_arrays(0, names=["dept"])


def hash_after(store: WorldStore, **changed: object) -> str:
    parts = {"kind": "clip", "payload": {"x": 1}, "value": 5, "version": 1, "array": np.zeros(4)} | changed
    store.commit("initial", {}, cloud=cloud_change({0: 1, 1: 2}, page_count=2))
    change = cloud_change({1: parts["value"]}, page_count=2, version=parts["version"])  # type: ignore[dict-item, arg-type]
    return store.commit(parts["kind"], parts["payload"], cloud=change, arrays={"a": parts["array"]}).hash  # type: ignore[arg-type, dict-item]


def test_the_hash_depends_on_every_part_of_the_content(make: Make) -> None:
    changes: list[dict[str, object]] = [
        {},
        {"kind": "edit"},
        {"payload": {"x": 2}},
        {"value": 6},
        {"version": 2},
        {"array": np.ones(4)},
        {"array": np.zeros((2, 2))},
        {"array": np.zeros(8, dtype=np.float32)},
    ]
    hashes = [hash_after(make(), **change) for change in changes]
    assert len(set(hashes)) == len(hashes)


def test_the_hash_depends_on_what_the_world_is_and_not_on_how_it_was_given(make: Make) -> None:
    lean, lavish = make(), make()
    lean.commit("initial", {}, cloud=cloud_change({0: 1, 1: 2}, page_count=2))
    lavish.commit("initial", {}, cloud=cloud_change({0: 1, 1: 2}, page_count=2))
    lavish.append_events([(1, "told", b"")])
    a = lean.commit("edit", {"x": 1, "y": 2}, cloud=cloud_change({1: 3}, page_count=2))
    b = lavish.commit("edit", {"y": 2, "x": 1}, cloud=cloud_change({0: 1, 1: 3}, page_count=2))
    assert a == b


def test_the_hash_is_the_same_on_disk_and_in_memory(tmp_path: Path) -> None:
    with create(tmp_path / "world", settings={}) as on_disk:
        assert hash_after(on_disk) == hash_after(MemoryStore())


def test_the_hash_of_a_known_commit_never_changes() -> None:
    assert hash_after(MemoryStore()) == "74132b6f4e135531333a013112be259d2aa430c091be7d3c2477e0b8f5f251c6"


def test_arrays_prepared_ahead_are_committed_as_those_that_were_not(make: Make) -> None:
    rgb = np.arange(2 * 64 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(2, 64, 64, 3)
    other = np.linspace(0, 1, 1000, dtype=np.float32)
    heads = set()
    ahead: tuple[list[AnyArray], ...] = ([], [rgb, other], [rgb.copy(), other + 1])
    for prepared in ahead:
        store = make()
        store.prepare(prepared)
        heads.add(
            store.commit("initial", {}, cloud=cloud_change({0: 1}, page_count=1), arrays={"a": rgb, "b": other}).hash
        )
        loaded = store.load_arrays(0)
        assert np.array_equal(loaded["a"], rgb) and np.array_equal(loaded["b"], other)
        assert store.fsck() == []
    assert len(heads) == 1
