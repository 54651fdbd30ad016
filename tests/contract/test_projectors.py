"""What every projector must do, whichever way it draws."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from spatia.errors import DeviceError
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import inverse, look_at
from spatia.projection.choose import open_projector
from spatia.projection.numpy_reference import NumpyProjector
from spatia.records.cloud import BLUE, CloudSnapshot, Points, snapshot_of_points
from spatia.records.projection import Look, MetricSplat, Projection, Projector, ReleaseSplat

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden" / "splat_a"
PIXELS = MetricSplat(radius_m=0.0)
LOOKS = (PIXELS, MetricSplat(radius_m=0.02), MetricSplat(radius_m=0.0, min_radius_px=2.5), ReleaseSplat())
SIZES = ((96, 64), (50, 90), (3, 2))


@pytest.fixture(params=["numpy", "numba", pytest.param("opengl", marks=pytest.mark.gl)])
def projector(request: pytest.FixtureRequest) -> Iterator[Projector]:
    try:
        found = open_projector(request.param)
    except DeviceError as error:
        pytest.skip(str(error))
    yield found
    found.close()


def pinhole(width_px: int = 8, height_px: int = 6, **changes: float) -> Intrinsics:
    """One pixel is one hundredth of z: easy to aim at."""
    numbers = {"fx_px": 100.0, "fy_px": 100.0, "cx_px": width_px / 2, "cy_px": height_px / 2} | changes
    return Intrinsics(width_px=width_px, height_px=height_px, **numbers)


def at_origin(intrinsics: Intrinsics) -> Cameras:
    return Cameras(world_from_camera=np.eye(4)[None], intrinsics=intrinsics)


def cloud_of(positions: npt.ArrayLike, colors: npt.ArrayLike = (200, 100, 50)) -> CloudSnapshot:
    return snapshot_of_points(Points.of(positions, colors))


def at_pixel(u: float, v: float, z: float = 1.0) -> list[float]:
    """The point that `pinhole()` images at (u, v)."""
    return [(u - 4) / 100 * z, (v - 3) / 100 * z, z]


def scattered(count: int = 3000) -> CloudSnapshot:
    random = np.random.default_rng(5)
    return cloud_of(random.uniform(-1.5, 1.5, (count, 3)), random.uniform(0, 255, (count, 3)))


def surfaces(count: int = 6000) -> CloudSnapshot:
    """A floor and a wall, several points a pixel, in scan order."""
    random = np.random.default_rng(6)
    points = random.uniform(-1.5, 1.5, (count, 3))
    points[: count // 2, 1] = 0.8
    points[count // 2 :, 2] = 1.4
    points = points[np.lexsort((points[:, 0].round(1), points[:, 2].round(1)))]
    return cloud_of(points, random.uniform(0, 255, (count, 3)))


def around(width_px: int, height_px: int, count: int = 2) -> Cameras:
    intrinsics = pinhole(width_px, height_px, fx_px=60.0, fy_px=58.0, cx_px=0.55 * width_px, cy_px=0.4 * height_px)
    eyes = [[0.3 * np.cos(angle), -0.1, 0.3 * np.sin(angle)] for angle in np.arange(count) * 2.1]
    return Cameras(world_from_camera=np.stack([look_at(eye, [0.2, 0.3, 1.4]) for eye in eyes]), intrinsics=intrinsics)


def covered(projection: Projection) -> list[tuple[int, int]]:
    """(x, y) of the pixels of the first view that show something."""
    return [(int(x), int(y)) for y, x in np.argwhere(~projection.hole_mask[0])]


def assert_coherent(projection: Projection) -> None:
    holes = projection.hole_mask
    assert (projection.index[holes] == -1).all()
    assert (projection.depth_m[holes] == 0).all()
    assert (projection.coverage[holes] == 0).all()
    assert (projection.rgb[holes] == 0).all()
    assert (projection.depth_m[~holes] > 0).all()
    assert (projection.coverage >= 0).all() and (projection.coverage <= 1).all()


@pytest.mark.parametrize("look", LOOKS)
def test_an_empty_cloud_is_all_holes(projector: Projector, look: Look) -> None:
    projection = projector.project(cloud_of(np.empty((0, 3))), at_origin(pinhole()), look=look)
    assert projection.rgb.shape == (1, 6, 8, 3)
    assert projection.hole_mask.all()
    assert_coherent(projection)


@pytest.mark.parametrize("look", LOOKS)
def test_what_is_removed_behind_or_off_screen_is_not_drawn(projector: Projector, look: Look) -> None:
    positions = [at_pixel(4, 3), at_pixel(4, 3, -1.0), [0.0, 0.0, 0.0], at_pixel(-50, 3), at_pixel(4, 70)]
    points = Points.of(positions, (9, 9, 9), weights=[0.0, 1, 1, 1, 1])
    projection = projector.project(snapshot_of_points(points), at_origin(pinhole()), look=look)
    assert projection.hole_mask.all()
    assert_coherent(projection)


def test_rows_beyond_the_count_are_not_drawn(projector: Projector) -> None:
    whole = cloud_of([at_pixel(1.5, 1.5), at_pixel(5.5, 1.5)])
    cut = CloudSnapshot(
        version=1,
        voxel_m=whole.voxel_m,
        row_count=1,
        alive_count=1,
        arena=whole.arena,
        pages=whole.pages,
        bounds_in_world_m=whole.bounds_in_world_m,
    )
    assert covered(projector.project(cut, at_origin(pinhole()), look=PIXELS)) == [(1, 1)]
    assert covered(projector.project(whole, at_origin(pinhole()), look=PIXELS)) == [(1, 1), (5, 1)]


def test_pages_may_lie_anywhere_in_the_arena(projector: Projector) -> None:
    cloud = scattered(2500)
    shuffled = CloudSnapshot(
        version=cloud.version,
        voxel_m=cloud.voxel_m,
        row_count=cloud.row_count,
        alive_count=cloud.alive_count,
        arena=np.ascontiguousarray(cloud.arena[::-1]),
        pages=cloud.pages[::-1].copy(),
        bounds_in_world_m=cloud.bounds_in_world_m,
    )
    for look in LOOKS:
        straight, moved = (projector.project(c, around(40, 30), look=look) for c in (cloud, shuffled))
        assert np.array_equal(straight.index, moved.index)
        assert np.array_equal(straight.rgb, moved.rgb)


@pytest.mark.parametrize("look", LOOKS)
def test_the_counters_beside_blue_are_no_part_of_the_colour(projector: Projector, look: Look) -> None:
    cloud = surfaces()
    counted = cloud.arena.copy()
    counted[:, BLUE] |= np.random.default_rng(7).integers(0, 1 << 16, counted[:, BLUE].shape, dtype=np.uint32)
    cameras = at_origin(pinhole(96, 64))
    plain = projector.project(cloud, cameras, look=look)
    found = projector.project(replace(cloud, arena=counted), cameras, look=look)
    assert plain.rgb.any()
    assert np.array_equal(found.rgb, plain.rgb)


def test_a_point_falls_into_the_pixel_that_contains_it(projector: Projector) -> None:
    projection = projector.project(cloud_of([at_pixel(2.25, 4.75, 2.0)]), at_origin(pinhole()), look=PIXELS)
    assert covered(projection) == [(2, 4)]
    assert projection.rgb[0, 4, 2].tolist() == [200, 100, 50]
    assert projection.depth_m[0, 4, 2] == 2.0
    assert projection.index[0, 4, 2] == 0
    assert projection.coverage[0, 4, 2] == 1


def test_a_disc_covers_the_pixels_whose_centres_it_reaches(projector: Projector) -> None:
    look = MetricSplat(radius_m=0.0105)  # 1.05 px at 1 m
    projection = projector.project(cloud_of([at_pixel(3.5, 2.5)]), at_origin(pinhole()), look=look)
    assert covered(projection) == [(3, 1), (2, 2), (3, 2), (4, 2), (3, 3)]


def test_a_disc_shrinks_with_distance_but_keeps_its_own_pixel(projector: Projector) -> None:
    look = MetricSplat(radius_m=0.0105)
    projection = projector.project(cloud_of([at_pixel(3.9, 2.9, 10.0)]), at_origin(pinhole()), look=look)
    assert covered(projection) == [(3, 2)]


def test_a_disc_is_held_between_its_bounds(projector: Projector) -> None:
    near = cloud_of([at_pixel(3.5, 2.5, 0.1)])
    capped = projector.project(near, at_origin(pinhole()), look=MetricSplat(radius_m=0.01, max_radius_px=1.1))
    assert len(covered(capped)) == 5
    far = cloud_of([at_pixel(3.5, 2.5, 50.0)])
    raised = projector.project(far, at_origin(pinhole()), look=MetricSplat(radius_m=0.01, min_radius_px=1.1))
    assert len(covered(raised)) == 5


def test_a_disc_whose_point_is_off_screen_still_reaches_in(projector: Projector) -> None:
    look = MetricSplat(radius_m=0.0201)
    projection = projector.project(cloud_of([at_pixel(-0.5, 2.5)]), at_origin(pinhole()), look=look)
    assert covered(projection) == [(0, 1), (0, 2), (1, 2), (0, 3)]


def test_the_nearest_point_wins(projector: Projector) -> None:
    cloud = cloud_of([at_pixel(3.5, 2.5, 2.0), at_pixel(3.5, 2.5, 1.0)], [(255, 0, 0), (0, 255, 0)])
    projection = projector.project(cloud, at_origin(pinhole()), look=PIXELS)
    assert projection.index[0, 2, 3] == 1
    assert projection.rgb[0, 2, 3].tolist() == [0, 255, 0]


@pytest.mark.parametrize("look", [*LOOKS[:3], ReleaseSplat(radius_ndc=0.5)])
def test_a_tie_goes_to_the_lower_row(projector: Projector, look: Look) -> None:
    colors = np.arange(3000, dtype=np.float32)[:, None] % [251, 241, 239]
    cloud = cloud_of(np.tile(at_pixel(3.5, 2.5), (3000, 1)), colors)
    projection = projector.project(cloud, at_origin(pinhole()), look=look)
    assert set(projection.index.ravel().tolist()) == {-1, 0}
    assert np.array_equal(projection.rgb, NumpyProjector().project(cloud, at_origin(pinhole()), look=look).rgb)


def test_the_release_blends_the_nearest_five_by_their_distance(projector: Projector) -> None:
    intrinsics = pinhole(width_px=8, height_px=8)
    stretch, radius_px = 8 / 7, 0.5 * 8 / 2
    # Half a pixel right of the middle of pixel 4 under the release's conversion, seven times over.
    u = 4.5 + 0.5
    x = (u - 4 + stretch * 0.5) / (stretch * 100)
    y = (4.5 - 4 + stretch * 0.5) / (stretch * 100)
    cloud = cloud_of([[x * z, y * z, z] for z in (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)], (250, 250, 250))
    projection = projector.project(cloud, at_origin(intrinsics), look=ReleaseSplat(radius_ndc=0.5))
    alpha = 1 - (0.5 / radius_px) ** 2
    assert projection.coverage[0, 4, 4] == pytest.approx(1 - (1 - alpha) ** 5, abs=1e-5)
    assert abs(int(projection.rgb[0, 4, 4, 0]) - 250 * (1 - (1 - alpha) ** 5)) <= 1
    assert projection.depth_m[0, 4, 4] == 1.0


def test_the_release_mirrors_the_principal_point(projector: Projector) -> None:
    intrinsics = pinhole(width_px=17, height_px=17, cx_px=8.0 + 3.0)
    projection = projector.project(cloud_of([[0, 0, 1.0]]), at_origin(intrinsics), look=ReleaseSplat(radius_ndc=0.1))
    shown = np.argwhere(~projection.hole_mask[0])
    stretch = 17 / 16
    assert shown.mean(axis=0).tolist() == pytest.approx([8.5 - stretch * 0.5 - 0.5, 8.5 - stretch * 3 - 0.5], abs=0.5)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(("width_px", "height_px"), SIZES)
@pytest.mark.parametrize("make", [scattered, surfaces])
def test_it_agrees_with_the_reference(projector: Projector, look: Look, width_px: int, height_px: int, make) -> None:  # type: ignore[no-untyped-def]  # a factory
    cloud, cameras = make(), around(width_px, height_px)
    expected = NumpyProjector().project(cloud, cameras, look=look)
    found = projector.project(cloud, cameras, look=look)
    assert_coherent(found)
    if projector.name != "opengl":
        for name in ("rgb", "depth_m", "index", "coverage"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        return
    same = found.index == expected.index
    assert same.mean() >= 0.9999
    assert np.allclose(found.depth_m[same], expected.depth_m[same], rtol=1e-6)
    assert np.abs(found.rgb[same].astype(int) - expected.rgb[same]).max(initial=0) <= 1
    assert np.abs(found.coverage[same] - expected.coverage[same]).max(initial=0) <= 1 / 255


def test_points_far_outside_a_wide_margin_are_not_drawn(projector: Projector) -> None:
    cloud, look = cloud_of([at_pixel(4, -90), at_pixel(4, 95), at_pixel(4, 3)]), MetricSplat(max_radius_px=100.0)
    found, expected = (p.project(cloud, at_origin(pinhole()), look=look) for p in (projector, NumpyProjector()))
    assert np.array_equal(found.index, expected.index)
    assert set(found.index.ravel().tolist()) == {-1, 2}


def test_each_view_is_what_it_would_be_alone(projector: Projector) -> None:
    cloud, cameras = surfaces(), around(60, 40, count=4)
    together = projector.project(cloud, cameras, look=MetricSplat())
    assert len(together) == 4
    for t in range(4):
        alone = projector.project(cloud, cameras[t : t + 1], look=MetricSplat())
        assert np.array_equal(together.rgb[t], alone.rgb[0])
        assert np.array_equal(together.index[t], alone.index[0])


def test_no_views_give_no_pictures(projector: Projector) -> None:
    assert projector.project(surfaces(), around(60, 40)[:0], look=PIXELS).rgb.shape == (0, 40, 60, 3)


def test_a_look_it_does_not_know_is_refused(projector: Projector) -> None:
    with pytest.raises(ValueError, match="look must be"):
        projector.project(scattered(), around(8, 6), look="splat")  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize("suffix", ["", "_radius_0p03"])
def test_the_release_look_matches_the_release(projector: Projector, suffix: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip(f"no golden numbers at {GOLDEN}")
    from safetensors.numpy import load_file

    tensors = load_file(GOLDEN / "tensors.safetensors")
    fx, fy, cx, cy = map(float, tensors["intrinsics_fxfycxcy"])
    height_px, width_px = tensors["image"].shape[1:3]
    intrinsics = Intrinsics(fx_px=fx, fy_px=fy, cx_px=cx, cy_px=cy, width_px=width_px, height_px=height_px)
    cameras = Cameras(world_from_camera=inverse(tensors["w2c"].astype(np.float64)), intrinsics=intrinsics)
    cloud = cloud_of(tensors["xyz"], tensors["rgb"] * 255)
    look = ReleaseSplat(radius_ndc=0.03 if suffix else 0.01)
    projection = projector.project(cloud, cameras, look=look)
    assert np.abs(projection.rgb / 255.0 - tensors[f"image{suffix}"]).max() <= 1 / 255
    assert np.abs(projection.coverage - tensors[f"score{suffix}"]).max() <= 1e-3
    if not suffix:  # at a disc's very edge float32 decides, and there alpha is 0
        assert (projection.index == tensors["front_index"]).mean() >= 0.9999
        same = projection.index == tensors["front_index"]
        assert np.abs(projection.depth_m - tensors["front_depth"])[same].max() <= 1e-5
