"""A courtyard with an arcade, a fountain and a tree; a ball rolls, someone walks their round, a drone circles above.

Heights are upwards here; see blueprint.py. Where the movers are is an exact function of time.
"""

import math

import numpy as np

from spatia.geom.pose import look_at
from spatia.worlds.blueprint import Blueprint, Material, color
from spatia.worlds.light import Lights
from spatia.worlds.plan import ScenePlan
from spatia.worlds.textures import BRICK, CHECKER, LEAVES, PLAIN, STONE, TILES, WEAVE, WOOD, hash01

HALF_M = 6.0
WALL_TOP_M = 3.5
ARCADE_Z_M = 3.9  # the columns' row
BAY_M = 2.4
SPRING_M = 2.15  # where the arches begin
ARCH_RADIUS_M = 0.92

BALL_RADIUS_M, BALL_CIRCLE_M, BALL_PERIOD_S = 0.24, 2.35, 9.0
WALK_CIRCLE_M, WALK_PERIOD_S, STEP_PERIOD_S = 3.35, 18.0, 1.125
DRONE_CIRCLE_M, DRONE_PERIOD_S = 1.7, 7.0

MATERIALS = {
    "paving": Material(
        pattern=TILES, color=color("b9aa90"), second=color("6f6656"), scale_m=(0.62, 0.41), in_world=True
    ),
    "brick": Material(
        pattern=BRICK, color=color("a8563a"), second=color("b5a893"), scale_m=(0.25, 0.085), in_world=True
    ),
    "stone": Material(pattern=STONE, color=color("d8cab0"), second=color("b5a587"), scale_m=(0.35, 0.1), in_world=True),
    "pale stone": Material(pattern=STONE, color=color("d6cab2"), second=color("b5a688"), scale_m=(0.2, 0.1)),
    "plaster": Material(
        pattern=STONE, color=color("e0b87e"), second=color("cf9f62"), scale_m=(0.9, 0.1), in_world=True
    ),
    "gallery": Material(
        pattern=TILES, color=color("b0603f"), second=color("d9c7a8"), scale_m=(0.32, 0.32), in_world=True
    ),
    "roof": Material(pattern=TILES, color=color("b3583a"), second=color("7a3524"), scale_m=(0.22, 0.34)),
    "water": Material(pattern=STONE, color=color("3f8a99"), second=color("9fd0d2"), scale_m=(0.16, 0.1)),
    "spray": Material(pattern=PLAIN, color=color("dff0f2")),
    "door": Material(pattern=WOOD, color=color("2f5d62"), second=color("1b3a40")),
    "oak": Material(pattern=WOOD, color=color("9c6d42"), second=color("5e3d22")),
    "iron": Material(pattern=PLAIN, color=color("2c2d30")),
    "glass": Material(pattern=PLAIN, color=color("ffe0a0"), emission=1.2),
    "bark": Material(pattern=WOOD, color=color("7a5f49"), second=color("40301f")),
    "leaves": Material(
        pattern=LEAVES, color=color("3d6f2d"), second=color("8fb04a"), scale_m=(0.16, 0.1), in_world=True
    ),
    "cypress": Material(
        pattern=LEAVES, color=color("27472c"), second=color("476b3a"), scale_m=(0.18, 0.1), in_world=True
    ),
    "blossom": Material(
        pattern=LEAVES, color=color("b02a6d"), second=color("e773a8"), scale_m=(0.07, 0.1), in_world=True
    ),
    "earth": Material(pattern=STONE, color=color("5a432f"), second=color("33251a"), scale_m=(0.05, 0.1)),
    "clay": Material(pattern=STONE, color=color("bd6a43"), second=color("99502f"), scale_m=(0.12, 0.1)),
    "field": Material(pattern=LEAVES, color=color("8a8f4f"), second=color("b2ab68"), scale_m=(2.0, 0.1), in_world=True),
    "hill": Material(pattern=LEAVES, color=color("6c8468"), second=color("8aa080"), scale_m=(7.0, 0.1), in_world=True),
    "ball": Material(pattern=CHECKER, color=color("e2b21f"), second=color("1f5fa8"), scale_m=(0.19, 0.1)),
    "coat": Material(pattern=WEAVE, color=color("b5372f"), second=color("7c221d"), scale_m=(0.02, 0.1)),
    "trousers": Material(pattern=WEAVE, color=color("35415a"), second=color("222b3d"), scale_m=(0.02, 0.1)),
    "skin": Material(pattern=PLAIN, color=color("c98f6b")),
    "straw": Material(pattern=WEAVE, color=color("dcc083"), second=color("a98c50"), scale_m=(0.02, 0.1)),
    "white": Material(pattern=PLAIN, color=color("e8e8e6")),
}


def courtyard() -> ScenePlan:
    """The plan of the courtyard: 12 m by 12 m, its arcade towards +z."""
    scene = Blueprint(materials=MATERIALS)
    scene.place("paving").box("paving", (0.0, -0.2, 0.0), (2 * HALF_M + 1.0, 0.2, 2 * HALF_M + 1.0))
    walls(scene)
    arcade(scene.place("arcade", at=(0.0, 0.0, ARCADE_Z_M)))
    fountain(scene.place("fountain"))
    tree(scene.place("tree", at=(-4.1, 0.0, 0.7)), scene.place("tree crown", at=(-4.1, 0.0, 0.7)))
    bench(scene.place("bench", at=(-5.3, 0.0, -2.2), yaw=-90.0))
    bench(scene.place("right bench", at=(5.35, 0.0, 0.1), yaw=90.0))
    bench(scene.place("near bench", at=(1.4, 0.0, -5.4), yaw=180.0))
    for i, (x, z, wide) in enumerate(((5.2, -2.1, 0.34), (5.3, 2.5, 0.30), (-5.3, 2.9, 0.32), (-1.3, -5.3, 0.33))):
        pot(scene.place(f"pot {i + 1}", at=(x, 0.0, z)), wide, "leaves" if i % 2 else "blossom")
    gate(scene.place("gate", at=(HALF_M, 0.0, -3.6), yaw=90.0))
    climber(scene.place("climber", at=(-HALF_M, 0.0, -4.1), yaw=-90.0))
    climber(scene.place("right climber", at=(HALF_M, 0.0, 1.4), yaw=90.0))
    for i, x in enumerate((-BAY_M, 0.0, BAY_M)):
        lantern(scene.place(f"lantern {i + 1}", at=(x, 0.0, 4.9)))
    beyond(scene)
    sun = np.array([-0.56, -0.78, -0.42])
    return ScenePlan(
        name="courtyard",
        still=scene,
        lights=Lights(
            sun_direction=sun / np.linalg.norm(sun),
            sun_color=np.array([3.5, 3.05, 2.45]),
            sun_radius_rad=0.012,
            zenith=np.array([0.16, 0.38, 0.95]),
            horizon=np.array([0.85, 1.02, 1.25]),
            ground=np.array([0.35, 0.32, 0.22]),
            cloudiness=0.9,
            lamps=np.zeros((0, 7)),
            portals=np.zeros((0, 12)),
            ambient_above=np.array([0.42, 0.52, 0.72]),
            ambient_below=np.array([0.52, 0.45, 0.36]),
        ),
        exposure=0.62,
        start_pose=look_at((-3.4, -1.6, -4.9), (0.9, -1.25, 1.6)),
        bounds_m=np.array([[-5.0, -3.0, -5.0], [5.0, -0.4, 5.2]]),
        texel_m=0.065,
        move=move,
    )


def move(movers: Blueprint, time_s: float) -> None:
    """Adds the ball, the walker and the drone where they are at `time_s`. All three go round the fountain."""
    turn = 2 * math.pi * time_s / BALL_PERIOD_S
    ball = on_circle(movers, "ball", BALL_CIRCLE_M, turn, BALL_RADIUS_M)
    ball.ball("ball", (0.0, 0.0, 0.0), BALL_RADIUS_M, tilt=-math.degrees(turn * BALL_CIRCLE_M / BALL_RADIUS_M))
    walker(on_circle(movers, "walker", WALK_CIRCLE_M, 1.9 - 2 * math.pi * time_s / WALK_PERIOD_S, 0.0), time_s)
    height = 2.75 + 0.12 * math.sin(2 * math.pi * time_s / 3.5)
    drone(on_circle(movers, "drone", DRONE_CIRCLE_M, 2.6 + 2 * math.pi * time_s / DRONE_PERIOD_S, height), time_s)


def on_circle(parent: Blueprint, label: str, radius_m: float, angle_rad: float, height_m: float) -> Blueprint:
    """A frame on a circle about the fountain: +x outwards, +z the way on for a growing angle."""
    at = (radius_m * math.cos(angle_rad), height_m, radius_m * math.sin(angle_rad))
    return parent.place(label, at=at, yaw=-math.degrees(angle_rad))


def walker(place: Blueprint, time_s: float) -> None:
    """Walks towards local -z, since the walker's angle falls."""
    swing = 26.0 * math.sin(2 * math.pi * time_s / STEP_PERIOD_S)
    bob = 0.02 * math.cos(4 * math.pi * time_s / STEP_PERIOD_S)
    body = place.place(at=(0.0, bob, 0.0), yaw=180.0)
    for side in (-1, 1):
        leg = body.place(at=(0.09 * side, 0.86, 0.0), tilt=swing * side)
        leg.cone("trousers", (0.0, -0.80, 0.0), 0.055, 0.80, 0.09)
        leg.ball("iron", (0.0, -0.82, 0.06), (0.055, 0.04, 0.13))
        arm = body.place(at=(0.22 * side, 1.38, 0.0), tilt=-0.8 * swing * side, roll=4.0 * side)
        arm.cone("coat", (0.0, -0.52, 0.0), 0.04, 0.52, 0.06)
        arm.ball("skin", (0.0, -0.57, 0.0), 0.05)
    body.cone("coat", (0.0, 0.72, 0.0), 0.23, 0.70, 0.16)
    body.ball("coat", (0.0, 1.40, 0.0), (0.23, 0.10, 0.14))
    body.cylinder("skin", (0.0, 1.44, 0.0), 0.05, 0.10)
    body.ball("skin", (0.0, 1.62, 0.0), (0.095, 0.125, 0.11))
    body.cylinder("straw", (0.0, 1.68, 0.0), 0.21, 0.012)
    body.cone("straw", (0.0, 1.69, 0.0), 0.115, 0.10, 0.09)


def drone(place: Blueprint, time_s: float) -> None:
    place.ball("white", (0.0, 0.0, 0.0), (0.13, 0.055, 0.17))
    place.ball("iron", (0.0, -0.06, 0.10), 0.035)
    for k in range(4):
        x, z = (0.24 if k & 1 else -0.24), (0.24 if k & 2 else -0.24)
        place.box("iron", (x / 2, -0.005, z / 2), (0.34, 0.016, 0.02), yaw=-45.0 if x * z > 0 else 45.0)
        place.cylinder("iron", (x, -0.02, z), 0.022, 0.06)
        spin = (360.0 * 2.7 * time_s + 40.0 * k) * (1 if x * z > 0 else -1)
        place.box("white", (x, 0.042, z), (0.26, 0.006, 0.026), yaw=spin)


def walls(scene: Blueprint) -> None:
    for label, at, yaw in (
        ("left wall", (-HALF_M, 0.0, 0.0), -90.0),
        ("right wall", (HALF_M, 0.0, 0.0), 90.0),
        ("near wall", (0.0, 0.0, -HALF_M), 180.0),
    ):
        wall = scene.place(label, at=at, yaw=yaw)
        wall.box("brick", (0.0, 0.0, 0.2), (2 * HALF_M + 0.8, WALL_TOP_M, 0.4))
        wall.box("stone", (0.0, 0.0, 0.0), (2 * HALF_M, 0.35, 0.12))
        wall.box("stone", (0.0, WALL_TOP_M, 0.2), (2 * HALF_M + 0.9, 0.12, 0.56))
        for k in range(6):
            wall.box("stone", (-5.0 + 2.0 * k, 0.35, 0.0), (0.36, WALL_TOP_M - 0.35, 0.10))
    back = scene.place("gallery wall", at=(0.0, 0.0, HALF_M))
    back.box("plaster", (0.0, 0.0, 0.2), (2 * HALF_M + 0.8, 5.2, 0.4))
    doors = scene.place("door", at=(0.0, 0.15, HALF_M))
    for x in (-BAY_M, BAY_M):
        doors.box("stone", (x, 0.0, -0.03), (1.30, 2.45, 0.08))
        for side in (-1, 1):
            doors.box("door", (x + 0.27 * side, 0.0, -0.06), (0.53, 2.25, 0.06))
            for h in (0.2, 1.2):
                doors.box("door", (x + 0.27 * side, h, -0.095), (0.36, 0.85, 0.02))
            doors.ball("iron", (x + 0.06 * side, 1.05, -0.11), 0.022)


def arcade(place: Blueprint) -> None:
    """Columns and round arches at z = 0, a gallery behind them, an upper wall and a tiled roof above."""
    depth = HALF_M - ARCADE_Z_M
    place.place("gallery floor").box("gallery", (0.0, 0.0, depth / 2), (2 * HALF_M, 0.15, depth + 0.6))
    place.box("plaster", (0.0, 3.75, depth / 2 + 0.1), (2 * HALF_M, 0.12, depth))
    crown = SPRING_M + ARCH_RADIUS_M + 0.26
    for column in range(6):
        x = BAY_M * (column - 2.5)
        place.box("pale stone", (x, 0.15, 0.0), (0.48, 0.16, 0.48))
        place.cone("pale stone", (x, 0.31, 0.0), 0.20, 0.07, 0.17)
        place.cone("pale stone", (x, 0.38, 0.0), 0.165, SPRING_M - 0.62, 0.14)
        place.cone("pale stone", (x, SPRING_M - 0.24, 0.0), 0.14, 0.14, 0.23)
        place.box("pale stone", (x, SPRING_M - 0.10, 0.0), (0.50, 0.10, 0.50))
    spandrel = place.place("arcade wall")
    for bay in range(5):
        x = BAY_M * (bay - 2)
        arch = place.place(at=(x, SPRING_M, 0.0))
        stones = 13
        for k in range(stones):
            stone = arch.place(roll=-90.0 + 180.0 * (k + 0.5) / stones)
            stone.box(
                "pale stone", (0.0, ARCH_RADIUS_M, 0.0), (math.pi * (ARCH_RADIUS_M + 0.25) / stones - 0.008, 0.26, 0.46)
            )
        strips = 20
        for k in range(strips):
            middle = BAY_M * ((k + 0.5) / strips - 0.5)
            low = SPRING_M + math.sqrt(max(0.0, (ARCH_RADIUS_M + 0.17) ** 2 - middle**2))
            spandrel.box("plaster", (x + middle, low, 0.0), (BAY_M / strips, crown + 0.1 - low, 0.36))
    spandrel.box("stone", (0.0, crown + 0.08, 0.0), (2 * HALF_M, 0.14, 0.52))
    spandrel.box("plaster", (0.0, crown + 0.22, 0.0), (2 * HALF_M, 1.15, 0.34))
    windows = place.place("upper window")
    for bay in range(5):
        x = BAY_M * (bay - 2)
        windows.box("stone", (x, crown + 0.38, -0.17), (0.66, 0.82, 0.06))
        for side in (-1, 1):
            windows.box("door", (x + 0.135 * side, crown + 0.43, -0.20), (0.26, 0.72, 0.04))
    roof = place.place("roof", at=(0.0, crown + 1.36, -0.32), tilt=22.0)
    roof.box("roof", (0.0, 0.0, 1.4), (2 * HALF_M + 0.6, 0.10, 3.0))


def fountain(place: Blueprint) -> None:
    place.cylinder("pale stone", (0.0, 0.0, 0.0), 1.62, 0.10)
    sides = 16
    for k in range(sides):
        part = place.place(yaw=360.0 * k / sides)
        part.box("pale stone", (0.0, 0.10, 1.36), (2 * 1.46 * math.tan(math.pi / sides), 0.38, 0.20))
        part.box("stone", (0.0, 0.48, 1.36), (2 * 1.53 * math.tan(math.pi / sides), 0.07, 0.30))
    place.place("water").cylinder("water", (0.0, 0.10, 0.0), 1.27, 0.28)
    place.cone("pale stone", (0.0, 0.10, 0.0), 0.30, 0.36, 0.20)
    place.cone("pale stone", (0.0, 0.46, 0.0), 0.14, 0.62, 0.11)
    place.cone("pale stone", (0.0, 1.08, 0.0), 0.15, 0.20, 0.60)
    place.place("water").cylinder("water", (0.0, 1.28, 0.0), 0.56, 0.015)
    place.cone("pale stone", (0.0, 1.28, 0.0), 0.10, 0.30, 0.06)
    place.cone("pale stone", (0.0, 1.58, 0.0), 0.06, 0.09, 0.20)
    place.ball("pale stone", (0.0, 1.74, 0.0), 0.10)
    jets = place.place("water jets")
    for k in range(8):
        jet = jets.place(yaw=45.0 * k)
        for step in range(9):
            fall = step / 8
            jet.ball("spray", (0.0, 1.32 - 0.94 * fall**1.8, 0.60 + 0.36 * fall), (0.014, 0.05 + 0.05 * fall, 0.014))


def tree(trunk: Blueprint, crown: Blueprint) -> None:
    sides = 12
    for k in range(sides):
        trunk.place(yaw=360.0 * k / sides).box("stone", (0.0, 0.0, 0.80), (0.46, 0.30, 0.16))
    trunk.cylinder("earth", (0.0, 0.0, 0.0), 0.76, 0.24)
    trunk.cone("bark", (0.0, 0.2, 0.0), 0.19, 1.5, 0.12, roll=3.0)
    for k in range(5):
        trunk.place(at=(0.06, 1.55, 0.0), yaw=72.0 * k + 15.0, tilt=-34.0).cone(
            "bark", (0.0, 0.0, 0.0), 0.075, 1.15, 0.03
        )
    for k in range(34):
        angle, high = 2.39996 * k, 1.0 - 2.0 * (k + 0.5) / 34
        ring = math.sqrt(1.0 - high * high)
        grow = 0.85 + 0.3 * hash01(k, 1, 1)
        at = (1.15 * ring * math.cos(angle) * grow, 2.85 + 0.85 * high * grow, 1.15 * ring * math.sin(angle) * grow)
        size = 0.34 + 0.16 * hash01(k, 2, 1)
        crown.ball("leaves", at, (size, 0.72 * size, size), yaw=50.0 * k, tilt=20.0 * math.sin(k))


def bench(place: Blueprint) -> None:
    """Its back towards local +z."""
    for x in (-0.70, 0.70):
        place.box("iron", (x, 0.0, 0.0), (0.05, 0.42, 0.40))
        place.box("iron", (x, 0.40, 0.22), (0.05, 0.50, 0.04), tilt=-12.0)
    for k in range(4):
        place.box("oak", (0.0, 0.42, -0.165 + 0.11 * k), (1.65, 0.03, 0.095))
    for k in range(3):
        place.box("oak", (0.0, 0.54 + 0.13 * k, 0.225 + 0.028 * k), (1.65, 0.10, 0.025), tilt=-12.0)


def pot(place: Blueprint, wide: float, plant: str) -> None:
    place.cone("clay", (0.0, 0.0, 0.0), 0.62 * wide, 0.50, wide)
    place.cylinder("clay", (0.0, 0.48, 0.0), 1.10 * wide, 0.07)
    place.cylinder("earth", (0.0, 0.54, 0.0), 0.95 * wide, 0.015)
    for k in range(11):
        angle, lift = 2.4 * k, 0.07 * (k % 4)
        reach = 0.75 * wide * (1.0 - 0.5 * lift / 0.21)
        foliage = plant if k % 3 else "leaves"
        place.ball(
            foliage, (reach * math.cos(angle), 0.74 + 1.6 * lift, reach * math.sin(angle)), 0.15 + 0.03 * (k % 3)
        )


def gate(place: Blueprint) -> None:
    """A blind gate in a wall behind local +z."""
    place.box("stone", (0.0, 0.0, -0.06), (1.9, 2.85, 0.14))
    for side in (-1, 1):
        place.box("door", (0.38 * side, 0.0, -0.12), (0.75, 2.5, 0.10))
        for k in range(3):
            place.box("door", (0.38 * side, 0.15 + 0.78 * k, -0.18), (0.55, 0.68, 0.03))
        place.ball("iron", (0.09 * side, 1.1, -0.21), 0.035)
    place.box("stone", (0.0, 0.0, -0.35), (2.1, 0.10, 0.5))


def climber(place: Blueprint) -> None:
    """Blossoms and leaves up a wall behind local +z."""
    place.cylinder("bark", (0.0, 0.0, -0.10), 0.03, 2.6, roll=6.0)
    place.cylinder("bark", (0.0, 0.0, -0.10), 0.025, 2.2, roll=-14.0)
    for k in range(38):
        spread, high = hash01(k, 7, 1), 0.5 + 2.9 * hash01(k, 7, 2)
        x = (2.0 * spread - 1.0) * (0.25 + 0.36 * high)
        size = 0.11 + 0.10 * hash01(k, 7, 3)
        material = "blossom" if hash01(k, 7, 4) > 0.45 else "leaves"
        place.ball(material, (x, high, -0.10), (size, 0.8 * size, 0.6 * size), roll=90.0 * spread)


def lantern(place: Blueprint) -> None:
    place.cylinder("iron", (0.0, 2.95, 0.0), 0.008, 0.82)
    place.cone("iron", (0.0, 2.88, 0.0), 0.14, 0.09, 0.02)
    place.cone("glass", (0.0, 2.62, 0.0), 0.08, 0.26, 0.11)
    place.cylinder("iron", (0.0, 2.60, 0.0), 0.09, 0.02)


def beyond(scene: Blueprint) -> None:
    """What rises over the walls."""
    scene.place("field").box("field", (0.0, -0.5, 0.0), (140.0, 0.28, 140.0))
    tower = scene.place("tower", at=(9.5, 0.0, 13.0))
    tower.box("plaster", (0.0, 0.0, 0.0), (3.0, 10.0, 3.0))
    tower.box("stone", (0.0, 10.0, 0.0), (3.4, 0.25, 3.4))
    for x in (-1.25, 1.25):
        for z in (-1.25, 1.25):
            tower.box("plaster", (x, 10.25, z), (0.5, 1.7, 0.5))
    tower.ball("iron", (0.0, 11.2, 0.0), (0.45, 0.55, 0.45))
    tower.box("stone", (0.0, 11.95, 0.0), (3.5, 0.25, 3.5))
    tower.cone("roof", (0.0, 12.2, 0.0), 2.2, 2.1, 0.0)
    for i, (x, z, high) in enumerate(
        ((-8.6, 5.5, 7.5), (-9.4, -1.5, 6.2), (9.2, 1.0, 7.0), (9.8, -4.6, 6.0), (-3.6, -9.4, 6.8))
    ):
        cypress = scene.place(f"cypress {i + 1}", at=(x, 0.0, z))
        cypress.cylinder("bark", (0.0, 0.0, 0.0), 0.15, 1.2)
        cypress.ball("cypress", (0.0, 0.6 + high / 2, 0.0), (0.85, high / 2, 0.85))
    for i, (x, z, r) in enumerate(((-40.0, 52.0, 26.0), (18.0, 62.0, 32.0), (58.0, 20.0, 24.0), (-56.0, -12.0, 24.0))):
        scene.place(f"hill {i + 1}").ball("hill", (x, -1.0, z), (r, 0.24 * r, r))
