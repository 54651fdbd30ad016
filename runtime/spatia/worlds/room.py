"""A furnished living room with a door into a small study. Heights are upwards here; see blueprint.py."""

import math

import numpy as np

from spatia.geom.pose import look_at
from spatia.worlds.blueprint import Blueprint, Material, Vec3, color
from spatia.worlds.furniture import (
    BOOK_COLORS,
    armchair,
    chair,
    coffee_table,
    desk,
    dining_table,
    floor_lamp,
    fruit_bowl,
    globe,
    pendant,
    picture,
    plant,
    shelf,
    sideboard,
    sofa,
    tulips,
)
from spatia.worlds.light import Lights
from spatia.worlds.plan import ScenePlan
from spatia.worlds.textures import (
    CHECKER,
    LEAVES,
    MARBLE,
    PAINTING,
    PLAIN,
    PLANKS,
    RUG,
    SPINE,
    STONE,
    WALLPAPER,
    WEAVE,
    WOOD,
)

WALL_M = 0.12
HEIGHT_M = 2.7
LIVING = (5.4, 4.8)  # width along x, depth along z, centred on the origin
STUDY = (2.6, 3.4)
STUDY_AT: Vec3 = (LIVING[0] / 2 + 2 * WALL_M + STUDY[0] / 2, 0.0, 0.7)
WINDOW = (-1.75, 0.55, 0.85, 2.3)  # on the far wall: left, right, sill, head
DOOR = (0.55, 1.5)  # in the wall between both rooms, along z

MATERIALS = {
    "floor": Material(pattern=PLANKS, color=color("b98555"), second=color("3a2415"), scale_m=(0.14, 1.6)),
    "wall": Material(
        pattern=WALLPAPER, color=color("dcd3bd"), second=color("8f9f86"), scale_m=(0.09, 0.1), in_world=True
    ),
    "study wall": Material(
        pattern=STONE, color=color("8fa9b5"), second=color("a3bac4"), scale_m=(0.5, 0.5), in_world=True
    ),
    "plaster": Material(
        pattern=STONE, color=color("efece4"), second=color("e4e0d6"), scale_m=(0.6, 0.6), in_world=True
    ),
    "white": Material(pattern=PLAIN, color=color("ece9e0")),
    "check": Material(pattern=CHECKER, color=color("e2d9c6"), second=color("54423a"), scale_m=(0.3, 0.3)),
    "oak": Material(pattern=WOOD, color=color("b07d4a"), second=color("6b4524")),
    "walnut": Material(pattern=WOOD, color=color("75492c"), second=color("3a2213")),
    "rug": Material(pattern=RUG, color=color("8e2f2c"), second=color("dcc795")),
    "sofa": Material(pattern=WEAVE, color=color("35627a"), second=color("1d3f52"), scale_m=(0.012, 0.1)),
    "cushion": Material(pattern=WEAVE, color=color("d9a441"), second=color("a87423"), scale_m=(0.01, 0.1)),
    "cushion 2": Material(pattern=WEAVE, color=color("c5573c"), second=color("8f3a27"), scale_m=(0.01, 0.1)),
    "linen": Material(pattern=WEAVE, color=color("e9e1d0"), second=color("c9bda4"), scale_m=(0.006, 0.1)),
    "armchair": Material(pattern=WEAVE, color=color("7c8b57"), second=color("566339"), scale_m=(0.012, 0.1)),
    "brass": Material(pattern=PLAIN, color=color("b08d3f")),
    "iron": Material(pattern=PLAIN, color=color("2b2a2c")),
    "shade": Material(pattern=PLAIN, color=color("ffdca2"), emission=1.5),
    "bulb": Material(pattern=PLAIN, color=color("fff0cf"), emission=6.0),
    "pot": Material(pattern=STONE, color=color("b5613c"), second=color("8d4427"), scale_m=(0.1, 0.1)),
    "earth": Material(pattern=STONE, color=color("3a2a1e"), second=color("1f1610"), scale_m=(0.03, 0.03)),
    "leaf": Material(pattern=LEAVES, color=color("2f6b34"), second=color("6aa34a"), scale_m=(0.08, 0.1)),
    "marble": Material(pattern=MARBLE, color=color("ece8e1"), second=color("77726c"), scale_m=(0.35, 0.1)),
    "porcelain": Material(pattern=PLAIN, color=color("dfe6ea")),
    "blue glaze": Material(pattern=STONE, color=color("2d5f9a"), second=color("7fb0cf"), scale_m=(0.07, 0.1)),
    "orange": Material(pattern=STONE, color=color("e8902a"), second=color("d9701c"), scale_m=(0.02, 0.1)),
    "apple": Material(pattern=STONE, color=color("b3261f"), second=color("c9a238"), scale_m=(0.07, 0.1)),
    "ball": Material(pattern=CHECKER, color=color("d8342c"), second=color("f3ead8"), scale_m=(0.11, 0.1)),
    "painting": Material(pattern=PAINTING, color=color("7fb2d4"), second=color("3d5a2d")),
    "painting 2": Material(pattern=PAINTING, color=color("e4a15c"), second=color("4a3050")),
    "tulip": Material(pattern=STONE, color=color("d63a55"), second=color("f0a2a0"), scale_m=(0.03, 0.1)),
    "ocean": Material(pattern=STONE, color=color("2f6d9a"), second=color("b9a766"), scale_m=(0.12, 0.1)),
    "grass": Material(pattern=LEAVES, color=color("4f7a35"), second=color("7da24b"), scale_m=(0.6, 0.1), in_world=True),
    "hedge": Material(
        pattern=LEAVES, color=color("2f5a2b"), second=color("55823b"), scale_m=(0.25, 0.1), in_world=True
    ),
    "hill": Material(pattern=LEAVES, color=color("6f8f6a"), second=color("8aa67c"), scale_m=(6.0, 0.1), in_world=True),
    "bark": Material(pattern=WOOD, color=color("6a5140"), second=color("3c2c20")),
} | {f"book {i}": Material(pattern=SPINE, color=color(c), second=color("d8b566")) for i, c in enumerate(BOOK_COLORS)}


def room() -> ScenePlan:
    """The plan of the room: about 5.4 m by 4.8 m, eye height 1.6 m, a window to the south and a door to the right."""
    scene = Blueprint(materials=MATERIALS)
    living, study = scene.place(), scene.place(at=STUDY_AT)
    shell(living, LIVING, "wall", "floor", far_hole=WINDOW, right_hole=(-DOOR[1], -DOOR[0], 0.0, 2.1))
    offset = STUDY_AT[2]
    shell(
        study,
        STUDY,
        "study wall",
        "check",
        far_hole=(-0.6, 0.6, 0.9, 2.1),
        left_hole=(DOOR[0] - offset, DOOR[1] - offset, 0.0, 2.1),
    )
    window(scene.place("window", at=(0.0, 0.0, LIVING[1] / 2)), WINDOW)
    window(study.place("study window", at=(0.0, 0.0, STUDY[1] / 2)), (-0.6, 0.6, 0.9, 2.1))
    curtains(scene.place("curtain", at=(0.0, 0.0, LIVING[1] / 2 - 0.10)))
    door_frame(scene.place("door frame", at=(LIVING[0] / 2 + WALL_M, 0.0, (DOOR[0] + DOOR[1]) / 2)))
    garden(scene)

    scene.place("rug").box("rug", (-0.55, 0.0, -0.05), (2.5, 0.012, 1.9))
    sofa(scene.place("sofa", at=(-2.2, 0.0, 0.0), yaw=-90.0))
    coffee_table(scene.place("coffee table", at=(-0.75, 0.012, 0.0)))
    dining_table(scene.place("table", at=(1.35, 0.0, 0.65)))
    fruit_bowl(scene.place("bowl", at=(1.55, 0.76, 0.70)))
    tulips(scene.place("tulips", at=(1.05, 0.76, 0.55)))
    chair(scene.place("chair", at=(1.25, 0.0, -0.05), yaw=172.0))
    chair(scene.place("far chair", at=(1.45, 0.0, 1.32), yaw=4.0))
    shelf(
        scene.place("shelf", at=(1.75, 0.0, LIVING[1] / 2 - 0.17)),
        scene.place("books", at=(1.75, 0.0, LIVING[1] / 2 - 0.17)),
    )
    floor_lamp(scene.place("lamp", at=(-2.3, 0.0, 1.75)))
    pendant(scene.place("pendant", at=(1.35, 0.0, 0.65)), HEIGHT_M)
    plant(scene.place("plant", at=(0.83, 0.0, 2.02)))
    sideboard(scene.place("sideboard", at=(0.3, 0.0, -LIVING[1] / 2 + 0.24), yaw=180.0))
    armchair(scene.place("armchair", at=(-1.35, 0.0, -1.75), yaw=205.0))
    picture(scene.place("picture", at=(-LIVING[0] / 2, 1.35, -0.42), yaw=-90.0), "painting", (0.72, 0.54))
    picture(scene.place("small picture", at=(-LIVING[0] / 2, 1.4, 0.48), yaw=-90.0), "painting 2", (0.46, 0.6))
    picture(scene.place("large picture", at=(0.3, 1.3, -LIVING[1] / 2), yaw=180.0), "painting 2", (1.3, 0.75))
    picture(scene.place("door picture", at=(LIVING[0] / 2, 1.35, -0.9), yaw=90.0), "painting", (0.5, 0.62))
    scene.place("ball").ball("ball", (-0.05, 0.122, -0.72), 0.11, yaw=30.0, tilt=25.0)

    desk(study.place("desk", at=(0.15, 0.0, STUDY[1] / 2 - 0.36)))
    chair(study.place("study chair", at=(0.1, 0.0, STUDY[1] / 2 - 0.95), yaw=168.0))
    picture(study.place("study picture", at=(STUDY[0] / 2, 1.35, 0.1), yaw=90.0), "painting", (0.9, 0.6))
    globe(study.place("globe", at=(STUDY[0] / 2 - 0.32, 0.0, -0.85)))

    left, right, sill, head = WINDOW
    return ScenePlan(
        name="room",
        still=scene,
        lights=Lights(
            sun_direction=np.array([-0.40, -0.72, 0.85]) / math.hypot(0.40, 0.72, 0.85),
            sun_color=np.array([7.5, 6.6, 5.2]),
            sun_radius_rad=0.012,
            zenith=np.array([0.35, 0.75, 1.9]),
            horizon=np.array([1.7, 2.05, 2.4]),
            ground=np.array([0.5, 0.6, 0.35]),
            cloudiness=0.9,
            lamps=np.array(
                [
                    [1.35, -1.66, 0.65, 0.05, 0.75, 0.56, 0.32],
                    [-2.3, -1.50, 1.75, 0.06, 0.60, 0.43, 0.24],
                    [STUDY_AT[0] - 0.25, -1.12, STUDY_AT[2] + STUDY[1] / 2 - 0.36, 0.05, 0.3, 0.22, 0.13],
                ]
            ),
            portals=np.array(
                [
                    portal((left, right, sill, head), 0.0, LIVING[1] / 2 + 0.06, (3.8, 4.6, 5.4)),
                    portal((-0.6, 0.6, 0.9, 2.1), STUDY_AT[0], STUDY_AT[2] + STUDY[1] / 2 + 0.06, (3.8, 4.6, 5.4)),
                ]
            ),
            ambient_above=np.array([0.35, 0.34, 0.32]),
            ambient_below=np.array([0.18, 0.16, 0.13]),
        ),
        exposure=1.45,
        start_pose=look_at((-1.45, -1.6, -1.95), (0.75, -0.95, 1.3)),
        bounds_m=np.array([[-2.3, -2.4, -2.1], [STUDY_AT[0] + 1.0, -0.3, 2.0]]),
    )


def portal(hole: tuple[float, float, float, float], x: float, z: float, radiance: Vec3) -> list[float]:
    """A window of light in a far wall: corner, edge, edge, radiance; it shines towards -z."""
    left, right, sill, head = hole
    return [x + left, -sill, z, 0.0, -(head - sill), 0.0, right - left, 0.0, 0.0, *radiance]


def shell(
    place: Blueprint,
    size: tuple[float, float],
    wall: str,
    floor: str,
    *,
    far_hole: tuple[float, float, float, float] | None = None,
    right_hole: tuple[float, float, float, float] | None = None,
    left_hole: tuple[float, float, float, float] | None = None,
) -> None:
    """Floor, ceiling, four walls and their skirting; holes are (left, right, low, high) as seen from inside."""
    width, depth = size
    outer = (width + 2 * WALL_M, depth + 2 * WALL_M)
    place.place("floor").box(floor, (0.0, -0.1, 0.0), (outer[0], 0.1, outer[1]))
    place.place("ceiling").box("plaster", (0.0, HEIGHT_M, 0.0), (outer[0], 0.1, outer[1]))
    sides = (
        ((0.0, 0.0, depth / 2), 0.0, outer[0], far_hole),
        ((width / 2, 0.0, 0.0), 90.0, outer[1], right_hole),
        ((0.0, 0.0, -depth / 2), 180.0, outer[0], None),
        ((-width / 2, 0.0, 0.0), -90.0, outer[1], left_hole),
    )
    for at, yaw, length, hole in sides:
        side = place.place("wall", at=at, yaw=yaw)
        trim = place.place("skirting", at=at, yaw=yaw)
        half = length / 2
        left, right, low, high = hole or (0.0, 0.0, HEIGHT_M, HEIGHT_M)
        pieces = [
            (-half, left, 0.0, HEIGHT_M),
            (right, half, 0.0, HEIGHT_M),
            (left, right, 0.0, low),
            (left, right, high, HEIGHT_M),
        ]
        for x0, x1, h0, h1 in pieces if hole else [(-half, half, 0.0, HEIGHT_M)]:
            if x1 > x0 and h1 > h0:
                side.box(wall, ((x0 + x1) / 2, h0, WALL_M / 2), (x1 - x0, h1 - h0, WALL_M))
                if h0 == 0.0:
                    trim.box("white", ((x0 + x1) / 2, 0.0, -0.008), (x1 - x0, 0.11, 0.016))
                    trim.box("white", ((x0 + x1) / 2, 0.11, -0.005), (x1 - x0, 0.014, 0.010))
        trim.box("plaster", (0.0, HEIGHT_M - 0.07, -0.035), (length, 0.07, 0.07))


def window(place: Blueprint, hole: tuple[float, float, float, float]) -> None:
    """Frame, bars and sill of an opening; the wall's inner face is at z = 0."""
    left, right, sill, head = hole
    middle, width, height = (left + right) / 2, right - left, head - sill
    for x in (left + 0.03, middle, right - 0.03):
        place.box("white", (x, sill, 0.07), (0.06, height, 0.06))
    for h in (sill, sill + 0.62 * height, head - 0.06):
        place.box("white", (middle, h, 0.07), (width, 0.06, 0.05))
    place.box("white", (middle, sill - 0.04, -0.04), (width + 0.16, 0.04, 0.22))


def curtains(place: Blueprint) -> None:
    left, right, _, head = WINDOW
    place.cylinder("brass", (left - 0.45, head + 0.14, 0.0), 0.014, right - left + 0.9, roll=90.0)
    for side, start in ((1, left - 0.40), (-1, right + 0.40)):
        for fold in range(9):
            swing = 0.022 * (fold % 2)
            place.cone("linen", (start + side * 0.052 * fold, 0.03, swing), 0.041, head + 0.10, 0.030)


def door_frame(place: Blueprint) -> None:
    half = (DOOR[1] - DOOR[0]) / 2
    for z in (-half, half):
        place.box("white", (0.0, 0.0, z), (2 * WALL_M + 0.05, 2.14, 0.05))
    place.box("white", (0.0, 2.08, 0.0), (2 * WALL_M + 0.05, 0.07, 2 * half + 0.05))
    leaf = place.place(at=(WALL_M, 0.0, half), yaw=98.0)  # the open door, hinged on the study's side
    leaf.box("white", (-0.45, 0.01, 0.03), (0.88, 2.06, 0.04))
    for h in (0.25, 1.15):
        leaf.box("plaster", (-0.45, h, 0.055), (0.62, 0.72, 0.012))
    leaf.ball("brass", (-0.83, 1.02, 0.08), 0.028)


def garden(scene: Blueprint) -> None:
    scene.place("lawn").box("grass", (0.0, -0.35, 34.0), (90.0, 0.05, 62.0))
    hedge = scene.place("hedge")
    for i in range(9):
        hedge.ball("hedge", (-9.0 + 2.2 * i, 0.1, 9.5 + 0.5 * (i % 2)), (1.5, 0.8 + 0.18 * (i % 3), 0.8))
    for i, (x, z, high) in enumerate(((-3.4, 7.2, 1.6), (2.6, 11.5, 2.2), (6.4, 8.4, 1.5))):
        tree = scene.place(f"tree {i + 1}", at=(x, -0.4, z))
        tree.cone("bark", (0.0, 0.0, 0.0), 0.16, high, 0.10)
        for k in range(5):
            turn = 2.4 * k
            tree.ball("hedge", (0.55 * math.cos(turn), high + 0.25 + 0.28 * k, 0.55 * math.sin(turn)), 0.85 - 0.07 * k)
    for i, (x, z, r) in enumerate(((-22.0, 62.0, 18.0), (8.0, 66.0, 24.0), (34.0, 58.0, 15.0))):
        scene.place(f"hill {i + 1}").ball("hill", (x, -2.0, z), (r, 0.32 * r, 0.5 * r))
