import numpy as np
import pytest

from spatia.geom.pose import F64
from spatia.records.arrays import F32
from spatia.worlds.bands import in_bands
from spatia.worlds.blueprint import Blueprint, Material
from spatia.worlds.charts import Charts, chart_point, chart_uv, charts_of, kept_light, texel_frame
from spatia.worlds.light import Lights, lit_charts
from spatia.worlds.primitives import BOX, ELLIPSOID, FACE_COUNT, FRUSTUM, Solids, solids_of
from spatia.worlds.textures import PLAIN

VIEWS = np.array([[-2.0, -2.0, -2.0], [2.0, 0.0, 2.0]])


EVEN_SKY = Lights(
    sun_direction=np.array([0.0, -1.0, 0.0]),
    sun_color=np.zeros(3),
    sun_radius_rad=0.01,
    zenith=np.ones(3),
    horizon=np.ones(3),
    ground=np.ones(3),
    cloudiness=0.0,
    lamps=np.zeros((0, 7)),
    portals=np.zeros((0, 12)),
    ambient_above=np.zeros(3),
    ambient_below=np.zeros(3),
)
DARK = EVEN_SKY._replace(zenith=np.zeros(3), horizon=np.zeros(3), ground=np.zeros(3))


def floor_and(*boxes: tuple[tuple[float, float, float], tuple[float, float, float]]) -> tuple[Solids, Charts]:
    scene = Blueprint(materials={"grey": Material(pattern=PLAIN, color=(0.5, 0.5, 0.5))})
    scene.place("floor").box("grey", (0, -0.1, 0), (4, 0.1, 4))
    for at, size in boxes:
        scene.place("box").box("grey", at, size)
    solids = solids_of(scene.solids)
    return solids, charts_of(solids, texel_m=0.1, near_m=VIEWS)


def light_of(solids: Solids, charts: Charts, lights: Lights) -> F32:
    return lit_charts(solids, charts, reflectance=np.full((1, 3), 0.5), emission=np.zeros(1), lights=lights)


def lit(solids: Solids, charts: Charts, lights: Lights, x: float, z: float) -> F64:
    found = light_of(solids, charts, lights)
    floor = int(np.flatnonzero(solids.label == 1)[0])
    return np.array(kept_light(solids, charts, found, floor, 2, x, -0.05, z))


def test_an_open_floor_under_an_even_sky_has_the_skys_light() -> None:
    solids, charts = floor_and()
    np.testing.assert_allclose(lit(solids, charts, EVEN_SKY, 0.3, 0.4)[:3], 1.0, rtol=1e-6)


def test_the_sun_reaches_what_nothing_covers_and_not_what_a_box_covers() -> None:
    solids, charts = floor_and(((0.0, 1.0, 0.0), (1.0, 0.2, 1.0)))
    assert lit(solids, charts, EVEN_SKY, 1.5, 1.5)[3] == pytest.approx(1.0)
    assert lit(solids, charts, EVEN_SKY, 0.0, 0.0)[3] == 0.0


def test_a_lamp_lights_by_the_inverse_square_and_the_cosine() -> None:
    solids, charts = floor_and()
    lamp = DARK._replace(lamps=np.array([[0.0, -2.0, 0.0, 1e-6, 4.0, 8.0, 12.0]]))
    below, aside = lit(solids, charts, lamp, 0.05, 0.05), lit(solids, charts, lamp, 1.55, 0.05)
    np.testing.assert_allclose(below[:3], [1.0, 2.0, 3.0], rtol=5e-3)
    square = 2.0**2 + 1.55**2 + 0.05**2
    np.testing.assert_allclose(aside[0], 4.0 * 2.0 / square**1.5, rtol=1e-2)


def test_a_small_portal_lights_like_its_area_says() -> None:
    solids, charts = floor_and()
    side = 0.2  # over the floor, looking down: edge x other edge points to +y
    portal = [-side / 2, -2.0, -side / 2, 0.0, 0.0, side, side, 0.0, 0.0, 5.0, 5.0, 5.0]
    light = lit(solids, charts, DARK._replace(portals=np.array([portal])), 0.05, 0.05)
    np.testing.assert_allclose(light[:3], 5.0 * side**2 / (np.pi * 4.0), rtol=2e-2)


def test_kept_light_is_the_same_every_time() -> None:
    solids, charts = floor_and(((0.3, 0.0, 0.2), (0.5, 0.7, 0.4)))
    sunny = EVEN_SKY._replace(sun_color=np.array([3.0, 2.0, 1.0]), sun_direction=np.array([0.48, -0.64, 0.6]))
    assert light_of(solids, charts, sunny).tobytes() == light_of(solids, charts, sunny).tobytes()


def test_bands_cover_every_row_once() -> None:
    rows = np.zeros(37, dtype=np.int32)

    def count(start: int, stop: int) -> None:
        rows[start:stop] += 1

    in_bands(count, len(rows))
    assert (rows == 1).all()


@pytest.mark.parametrize("shape", [BOX, ELLIPSOID, FRUSTUM])
def test_a_chart_coordinate_comes_back_from_its_point(shape: int) -> None:
    size = np.array([0.4, 0.7, 0.3])
    for face in range(FACE_COUNT[shape]):
        for s, t in ((0.1, 0.2), (0.5, 0.5), (0.83, 0.61)):
            point = chart_point(shape, face, size, s, t)
            np.testing.assert_allclose(chart_uv(shape, face, size, *point), (s, t), atol=1e-9)


def test_a_texel_lies_on_its_face_with_the_normal_outwards() -> None:
    solids, charts = floor_and()
    for m in range(0, len(charts.solid), 97):
        x, y, z, nx, ny, nz = texel_frame(solids, charts, m)
        outwards = np.array([x, y - 0.05, z]) @ np.array([nx, ny, nz])
        assert outwards == pytest.approx(0.05 if abs(ny) == 1 else 2.0)


def test_far_and_hidden_faces_have_few_texels() -> None:
    solids, charts = floor_and(((0.0, 0.0, 40.0), (4.0, 4.0, 4.0)))
    floor, far = (int(np.flatnonzero(solids.label == label)[0]) for label in (1, 2))
    assert charts.columns[floor, 2] == 40  # seen from above
    assert charts.columns[floor, 3] == 2  # from below, never
    assert charts.columns[far, 4] < 5
