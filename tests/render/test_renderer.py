"""What stands in the pixels, on whatever OpenGL there is. A framebuffer of 64x48, no window."""

from collections.abc import Iterator
from typing import Any

import moderngl
import numpy as np
import numpy.typing as npt
import pytest

from spatia.errors import DeviceError
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import from_rotation_translation, look_at
from spatia.projection.opengl import open_context
from spatia.records.arrays import U8, Bool
from spatia.records.cloud import PAGE_POINTS, CloudSnapshot, Points, snapshot_of_points
from spatia.render.point_packing import PAGE_BYTES
from spatia.render.renderer import Renderer
from spatia.render.view import Drawn, View

pytestmark = pytest.mark.gl

WIDTH_PX, HEIGHT_PX = 64, 48
LENS = Intrinsics(fx_px=50.0, fy_px=50.0, cx_px=32.0, cy_px=24.0, width_px=WIDTH_PX, height_px=HEIGHT_PX)
RED, GREEN, BLUE = (230, 20, 20), (20, 230, 20), (20, 20, 230)


class Screen:
    """A renderer and the framebuffer that it draws into."""

    def __init__(self, context: Any, size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX), **budgets: int) -> None:
        self.size_px = size_px
        self._texture = context.texture(size_px, 4)
        self._framebuffer = context.framebuffer([self._texture])
        self.renderer = Renderer(context, **budgets)

    def draw(self, cloud: CloudSnapshot | None = None, **shown: Any) -> Drawn:
        self._framebuffer.use()
        given: dict[str, Any] = {"cloud": cloud, "world_from_camera": np.eye(4), "intrinsics": LENS} | shown
        return self.renderer.draw(View(**given), size_px=self.size_px)

    def picture(self, cloud: CloudSnapshot | None = None, **shown: Any) -> U8:
        """[H, W, 3]"""
        self.draw(cloud, **shown)
        raw = np.frombuffer(self._framebuffer.read(components=3, alignment=1), np.uint8)
        return raw.reshape(self.size_px[1], self.size_px[0], 3)[::-1]

    def release(self) -> None:
        self.renderer.release()
        self._framebuffer.release()
        self._texture.release()


@pytest.fixture(scope="module")
def context() -> Iterator[Any]:
    try:
        opened = open_context()
    except DeviceError as error:
        pytest.skip(str(error))
    yield opened
    opened.release()


@pytest.fixture
def screen(context: Any) -> Iterator[Screen]:
    made = Screen(context)
    yield made
    made.release()


def cloud_of(positions: npt.ArrayLike, colors: npt.ArrayLike = RED, *, voxel_m: float = 0.01) -> CloudSnapshot:
    return snapshot_of_points(Points.of(positions, colors), voxel_m=voxel_m)


def at_pixel(u: float, v: float, z: float = 1.0) -> list[float]:
    return [(u - LENS.cx_px) / LENS.fx_px * z, (v - LENS.cy_px) / LENS.fy_px * z, z]


def wall(z: float = 2.0, *, spacing_m: float = 0.01) -> npt.NDArray[np.float64]:
    """A closed surface over the whole view, in runs that keep pages small."""
    half = 0.8 * z
    x, y = np.meshgrid(np.arange(-half, half, spacing_m), np.arange(-half, half, spacing_m))
    points = np.stack([x, y, np.full_like(x, z)], axis=-1).reshape(-1, 3)
    order = np.lexsort((points[:, 0], np.floor(points[:, 1] / 0.3), np.floor(points[:, 0] / 0.3)))
    return np.asarray(points[order])


def like(picture: U8, color: tuple[int, int, int], *, within: int = 60) -> Bool:
    """[H, W] pixels near a colour: light may darken it."""
    return np.asarray((np.abs(picture.astype(int) - color) <= within).all(axis=-1))


@pytest.mark.parametrize("pixel", [(10, 7), (0, 0), (63, 47), (40, 30)])
def test_a_point_is_drawn_where_the_pinhole_puts_it(screen: Screen, pixel: tuple[int, int]) -> None:
    u, v = pixel
    picture = screen.picture(cloud_of([at_pixel(u + 0.5, v + 0.5)]))
    rows, columns = np.nonzero(like(picture, RED))
    assert picture[v, u].tolist() == list(RED)
    assert np.abs(rows - v).max() <= 1 and np.abs(columns - u).max() <= 1


@pytest.mark.parametrize(("z", "radius_px"), [(1.0, 5.0), (0.5, 10.0), (2.0, 2.5)])
def test_a_splat_has_its_size_in_metres(screen: Screen, z: float, radius_px: float) -> None:
    positions = np.tile(at_pixel(32, 24, z), (PAGE_POINTS, 1))
    shown = like(screen.picture(cloud_of(positions, voxel_m=0.1)), RED)
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX] + 0.5
    expected = (x - 32) ** 2 + (y - 24) ** 2 <= radius_px**2
    assert (shown != expected).sum() <= 4


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearest_wins(screen: Screen, order: tuple[int, int]) -> None:
    positions, colors = np.array([at_pixel(20.5, 20.5, 1.0), at_pixel(20.5, 20.5, 1.02)]), np.array([GREEN, BLUE])
    picture = screen.picture(cloud_of(positions[list(order)], colors[list(order)]))
    assert picture[20, 20].tolist() == list(GREEN)


def test_a_pose_moves_the_picture_as_geometry_says(screen: Screen) -> None:
    pose = look_at((1.0, -0.5, 2.0), (0.2, 0.3, 0.1))
    p = pose @ np.array([*at_pixel(45.5, 12.5, 1.7), 1.0])
    picture = screen.picture(cloud_of([p[:3]]), world_from_camera=pose)
    assert picture[12, 45].tolist() == list(RED)


def test_what_is_removed_or_behind_is_not_drawn(screen: Screen) -> None:
    points = Points.of([at_pixel(10, 10), at_pixel(30, 30, -1)], RED, weights=[0.0, 1.0])
    np.testing.assert_array_equal(screen.picture(snapshot_of_points(points)), screen.picture())


def test_a_splat_whose_centre_is_off_the_screen_still_reaches_in(screen: Screen) -> None:
    picture = screen.picture(cloud_of(np.tile(at_pixel(-2, 24), (PAGE_POINTS, 1)), voxel_m=0.1))
    assert like(picture, RED)[24, 0:2].all()
    assert not like(picture, RED)[24, 4:].any()


@pytest.mark.parametrize(("z", "budget"), [(0.5, 4_000), (2.0, 4_000), (2.0, 500_000), (6.0, 20_000)])
def test_a_surface_stays_closed_at_every_distance_and_budget(context: Any, z: float, budget: int) -> None:
    screen, cloud = Screen(context, point_budget=budget, upload_budget_bytes=1 << 30), cloud_of(wall(z), RED)
    picture = screen.picture(cloud)
    assert like(picture, RED, within=120)[2:-2, 2:-2].all()
    screen.release()


def test_light_darkens_what_lies_behind_an_edge(screen: Screen) -> None:
    front = wall(1.0)
    front = front[front[:, 0] < 0]
    positions = np.concatenate([front, wall(2.0)])
    picture = screen.picture(cloud_of(positions, np.repeat([GREEN, RED], [len(front), len(wall(2.0))], axis=0)))
    assert picture[24, 60].tolist() == list(RED)
    edge = int(np.nonzero(~like(picture, GREEN)[24])[0].min())
    assert picture[24, edge, 0] < 0.85 * RED[0]


@pytest.mark.parametrize("budget", [16, 1_000, 20_000])
def test_the_point_budget_is_kept(context: Any, budget: int) -> None:
    screen = Screen(context, point_budget=budget)
    drawn = screen.draw(cloud_of(wall()))
    assert 0 < drawn.points_drawn <= budget
    screen.release()


def test_a_frame_may_be_given_fewer_points_and_its_surface_stays_closed(screen: Screen) -> None:
    cloud = cloud_of(wall())
    drawn = screen.draw(cloud, most_points=2_000)
    assert 0 < drawn.points_drawn <= 2_000 < screen.draw(cloud).points_drawn
    assert like(screen.picture(cloud, most_points=2_000), RED, within=120)[2:-2, 2:-2].all()


def test_no_page_in_view_is_left_out_however_few_points_a_frame_is_given(screen: Screen) -> None:
    cloud = cloud_of(wall())
    assert screen.draw(cloud, most_points=1).points_drawn <= 16 * len(cloud.pages)
    assert like(screen.picture(cloud, most_points=1), RED, within=120)[2:-2, 2:-2].all()


def test_a_view_that_is_shown_again_is_the_same_and_one_that_changed_is_not(screen: Screen) -> None:
    speckled = np.random.default_rng(5).integers(0, 256, (len(wall()), 3))
    cloud, other = cloud_of(wall(), speckled), cloud_of(wall(), GREEN)
    aside = np.eye(4)
    aside[0, 3] = 1.5
    plain = screen.picture(cloud)
    views: list[dict[str, Any]] = [{}, {"world_from_camera": aside}, {"color_by": "provenance"}, {"most_points": 1}]
    for shown in views:
        first, again = screen.picture(cloud, **shown), screen.picture(cloud, **shown)
        np.testing.assert_array_equal(first, again)
        assert (first != plain).any() == bool(shown)
    assert like(screen.picture(other), GREEN).mean() > 0.9
    np.testing.assert_array_equal(screen.picture(cloud), plain)
    assert screen.picture(None).max() < 100


def test_a_coarse_world_is_the_same_with_fewer_pixels_and_its_words_are_not_coarse(context: Any) -> None:
    small, sheet = Screen(context, (32, 24)), Screen(context)
    positions = np.concatenate([wall(2.0), wall(1.0)[wall(1.0)[:, 0] < -0.2]])
    colors = np.where(positions[:, 2:] < 1.5, GREEN, RED)
    cloud = cloud_of(positions, colors)
    half = small.picture(cloud, intrinsics=LENS.resized(width_px=32, height_px=24))
    coarse = sheet.picture(cloud, coarse=True)
    assert np.abs(coarse.astype(int) - half.repeat(2, axis=0).repeat(2, axis=1)).mean() < 6
    assert like(coarse, GREEN)[:, 0].mean() > 0.8, "the other edge does not shine through"
    assert like(coarse, RED, within=30)[:, 44:].all()
    words = (sheet.picture(cloud, hud=("12 fps",)) != sheet.picture(cloud)).any(axis=-1)
    coarse_words = (sheet.picture(cloud, coarse=True, hud=("12 fps",)) != coarse).any(axis=-1)
    np.testing.assert_array_equal(words, coarse_words)
    small.release()
    sheet.release()


def test_what_lies_over_points_that_stand_still_is_drawn_anew(screen: Screen) -> None:
    cloud = cloud_of(wall())
    plain = screen.picture(cloud)
    assert (screen.picture(cloud, hud=("12 fps",)) != plain).any()
    np.testing.assert_array_equal(screen.picture(cloud), plain)


def test_the_byte_budget_is_kept_and_all_is_there_in_the_end(context: Any) -> None:
    cloud = cloud_of(wall())
    slow, fast = Screen(context, upload_budget_bytes=3 * PAGE_BYTES), Screen(context)
    frames = [slow.draw(cloud)]
    while frames[-1].pages_waiting:
        frames.append(slow.draw(cloud))
    assert all(frame.bytes_uploaded <= 3 * PAGE_BYTES for frame in frames)
    assert len(frames) == -(-len(cloud.pages) // 3)
    assert slow.draw(cloud).bytes_uploaded == 0
    np.testing.assert_array_equal(slow.picture(cloud), fast.picture(cloud))
    slow.release()
    fast.release()


def test_pages_beyond_one_block_are_drawn_in_their_place(screen: Screen) -> None:
    behind = np.tile(at_pixel(32, 24, -1.0), (600 * PAGE_POINTS, 1))
    positions = np.concatenate([[at_pixel(5.5, 5.5)], behind, [at_pixel(50.5, 40.5)]])
    colors = np.full((len(positions), 3), RED)
    colors[-1] = GREEN
    cloud = cloud_of(positions, colors)
    screen.draw(cloud)
    picture = screen.picture(cloud)
    assert picture[5, 5].tolist() == list(RED)
    assert picture[40, 50].tolist() == list(GREEN)


def test_holes_are_hatched_and_points_are_not(screen: Screen) -> None:
    cloud = cloud_of([at_pixel(20.5, 20.5)])
    plain, hatched = screen.picture(cloud), screen.picture(cloud, holes=True)
    changed = (plain != hatched).any(axis=-1)
    assert not changed[20, 20]
    assert changed.sum() > 0.98 * changed.size


def test_colours_tell_coverage_and_provenance_apart(screen: Screen) -> None:
    pixels = [(8, 24), (24, 24), (40, 24), (56, 24)]
    points = Points.of(
        [at_pixel(u + 0.5, v + 0.5) for u, v in pixels], (128, 128, 128), weights=[1, 1, 40, 40], clips=[-1, 0, 0, 1]
    )
    for color_by, groups in (("coverage", [0, 0, 1, 1]), ("provenance", [0, 1, 1, 2])):
        picture = screen.picture(snapshot_of_points(points), color_by=color_by)
        colors = [tuple(picture[v, u].tolist()) for u, v in pixels]
        for a in range(4):
            for b in range(a):
                assert (colors[a] == colors[b]) == (groups[a] == groups[b])


def test_the_grid_lies_on_the_floor_and_nowhere_else(screen: Screen) -> None:
    above = screen.picture(grid=True, floor_y_m=1.5)
    changed = (above != screen.picture()).any(axis=-1)
    assert changed[HEIGHT_PX // 2 + 4 :].any()
    assert not changed[: HEIGHT_PX // 2].any()


def test_a_path_is_a_line_and_faint_behind_a_wall(screen: Screen) -> None:
    path = np.array([at_pixel(4, 24, 2.0), at_pixel(60, 24, 2.0)], np.float32)
    cloud = cloud_of(wall(3.0), (30, 30, 30))
    shift = {
        z: screen.picture(cloud_of(wall(z), (30, 30, 30)), path_in_world=path)[23:26, 10:54].max() for z in (1.0, 3.0)
    }
    assert shift[3.0] > 200 > shift[1.0] > 40
    line = (screen.picture(cloud, path_in_world=path) != screen.picture(cloud)).any(axis=-1)
    assert line[22:26, 8:56].any(axis=0).all()
    assert not line[:20].any() and not line[28:].any()


def test_a_line_that_begins_behind_the_camera_is_drawn_up_to_it(screen: Screen) -> None:
    path = np.array([[0.1, 0.3, -2.0], at_pixel(32, 26, 3.0)], np.float32)
    changed = (screen.picture(path_in_world=path) != screen.picture()).any(axis=-1)
    assert changed[-1].any() and not changed[:20].any()


def test_a_frustum_spans_the_picture_of_its_camera(screen: Screen) -> None:
    frusta = from_rotation_translation(np.eye(3), [0.0, 0.0, 0.5])[None]
    rows, columns = np.nonzero((screen.picture(frusta_world_from_camera=frusta) != screen.picture()).any(axis=-1))
    # Its far side is 0.18 m from its eye, 0.68 m from ours, so 0.18 / 0.68 of our own picture.
    assert columns.max() - columns.min() == pytest.approx(64 * 0.18 / 0.68, abs=3)
    assert rows.max() - rows.min() == pytest.approx(48 * 0.18 / 0.68, abs=3)


def test_highlighted_points_stand_out(screen: Screen) -> None:
    chosen = np.array([at_pixel(20.5, 20.5, 1.99)], np.float32)
    picture = screen.picture(cloud_of(wall(2.0), BLUE), highlighted=chosen)
    assert picture[20, 20, 0] > 150 and picture[20, 20, 2] < 100
    assert picture[40, 50].tolist() == list(BLUE)


def test_a_picture_stands_upright_over_or_beside_the_view(screen: Screen) -> None:
    shown = np.empty((48, 64, 3), np.uint8)
    shown[:24], shown[24:] = RED, BLUE
    over = screen.picture(picture=shown, picture_mode="over")
    assert like(over[:22], RED, within=3).all() and like(over[26:], BLUE, within=3).all()
    beside = screen.picture(picture=shown, picture_mode="beside")
    assert like(beside, RED, within=3)[:, 40:].any() and not like(beside, RED, within=3)[:, :36].any()
    np.testing.assert_array_equal(screen.picture(picture=shown, picture_mode="off"), screen.picture())


def test_words_are_visible_and_say_different_things(screen: Screen) -> None:
    first, second = screen.picture(hud=("12 fps",)), screen.picture(hud=("60 fps",))
    assert (first[:30, :60] > 200).any()
    assert (first != second).any()
    panel = screen.picture(panel=("Help", "W  forward"))
    assert (panel[10:-10, 10:-10] > 200).any()


def test_a_new_size_is_drawn_at_once(context: Any) -> None:
    for size_px in ((64, 48), (33, 47), (1, 1)):
        screen = Screen(context, size_px)
        lens = LENS.resized(width_px=size_px[0], height_px=size_px[1])
        assert screen.picture(cloud_of(wall()), intrinsics=lens, hud=("x",)).shape == (size_px[1], size_px[0], 3)
        screen.release()


def test_intrinsics_of_another_size_are_refused(screen: Screen) -> None:
    with pytest.raises(ValueError, match="size"):
        screen.draw(intrinsics=LENS.resized(width_px=32, height_px=24))


@pytest.mark.parametrize("budgets", [{"point_budget": 0}, {"upload_budget_bytes": 100}])
def test_budgets_that_let_nothing_through_are_refused(context: Any, budgets: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="budget"):
        Renderer(context, **budgets)


def test_release_gives_everything_back(context: Any) -> None:
    recording = Recording(context)
    screen = Screen(recording)
    for side in (3, 5):
        shown = np.zeros((side, 6, 3), np.uint8)
        screen.draw(cloud_of(wall()), picture=shown, picture_mode="over", hud=("a",), panel=("b",), grid=True)
    screen.release()
    kinds = {type(resource).__name__ for resource in recording.made}
    assert kinds == {"Buffer", "Framebuffer", "Program", "Texture", "VertexArray"}
    assert all(isinstance(resource.mglo, moderngl.InvalidObject) for resource in recording.made)


class Recording:
    """A context that remembers what was made in it."""

    def __init__(self, context: Any) -> None:
        object.__setattr__(self, "context", context)
        object.__setattr__(self, "made", [])

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.context, name)
        if name not in ("buffer", "texture", "depth_texture", "framebuffer", "program", "vertex_array"):
            return found

        def make(*given: Any, **named: Any) -> Any:
            self.made.append(found(*given, **named))
            return self.made[-1]

        return make

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.context, name, value)
