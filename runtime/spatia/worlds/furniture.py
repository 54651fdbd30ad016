"""What stands in the room, each piece in its own frame. Heights are upwards; the materials are the room's."""

import math

from spatia.worlds.blueprint import Blueprint
from spatia.worlds.textures import hash01

BOOK_COLORS = ("8c2f2b", "27496d", "2f5d46", "b5842f", "5a3e63", "d8cdb4", "3b3b3f", "a4512c")


def sofa(place: Blueprint) -> None:
    """Faces local -z; 2 m wide."""
    place.box("sofa", (0.0, 0.12, 0.0), (2.0, 0.22, 0.86))
    place.box("sofa", (0.0, 0.12, 0.36), (2.0, 0.62, 0.20))
    place.cylinder("sofa", (-1.0, 0.74, 0.36), 0.10, 2.0, roll=90.0)
    for side in (-1, 1):
        place.box("sofa", (0.94 * side, 0.12, 0.0), (0.18, 0.42, 0.86))
        place.cylinder("sofa", (0.94 * side, 0.54, -0.43), 0.10, 0.86, tilt=-90.0)
        place.box("sofa", (0.43 * side, 0.34, -0.06), (0.83, 0.13, 0.70))
        place.ball("sofa", (0.43 * side, 0.47, -0.06), (0.42, 0.035, 0.36))
        place.box("sofa", (0.43 * side, 0.46, 0.22), (0.80, 0.36, 0.14), tilt=-12.0)
        for z in (-0.36, 0.38):
            place.cone("walnut", (0.88 * side, 0.0, z), 0.02, 0.12, 0.03)
    place.ball("cushion", (-0.66, 0.65, 0.06), (0.22, 0.21, 0.085), tilt=-24.0, yaw=14.0)
    place.ball("cushion 2", (0.62, 0.64, 0.05), (0.21, 0.20, 0.08), tilt=-24.0, yaw=-18.0)


def armchair(place: Blueprint) -> None:
    place.box("armchair", (0.0, 0.14, 0.0), (0.80, 0.26, 0.76))
    place.ball("armchair", (0.0, 0.41, -0.04), (0.30, 0.06, 0.34))
    place.box("armchair", (0.0, 0.30, 0.30), (0.66, 0.58, 0.15), tilt=-10.0)
    place.cylinder("armchair", (-0.33, 0.86, 0.39), 0.085, 0.66, roll=90.0)
    for side in (-1, 1):
        place.box("armchair", (0.34 * side, 0.30, -0.02), (0.13, 0.26, 0.72))
        place.cylinder("armchair", (0.34 * side, 0.57, -0.38), 0.075, 0.72, tilt=-90.0)
        for z in (-0.32, 0.32):
            place.cone("walnut", (0.34 * side, 0.0, z), 0.02, 0.14, 0.03)
    place.ball("cushion", (0.05, 0.60, 0.14), (0.20, 0.19, 0.08), tilt=-22.0, yaw=8.0)


def coffee_table(place: Blueprint) -> None:
    place.cylinder("marble", (0.0, 0.38, 0.0), 0.43, 0.03)
    place.cylinder("brass", (0.0, 0.36, 0.0), 0.36, 0.02)
    for k in range(3):
        angle = 2.1 * k + 0.4
        place.cylinder("brass", (0.30 * math.cos(angle), 0.0, 0.30 * math.sin(angle)), 0.016, 0.37)
    for i, (yaw, size) in enumerate(((12.0, (0.27, 0.03, 0.20)), (-8.0, (0.24, 0.025, 0.17)))):
        place.box(f"book {1 + 2 * i}", (-0.10, 0.41 + 0.03 * i, 0.06), size, yaw=yaw)
    place.cone("porcelain", (0.20, 0.41, -0.10), 0.025, 0.075, 0.042)
    place.cylinder("walnut", (0.20, 0.478, -0.10), 0.036, 0.008)


def dining_table(place: Blueprint) -> None:
    place.box("oak", (0.0, 0.72, 0.0), (1.5, 0.04, 0.85))
    place.box("oak", (0.0, 0.64, 0.0), (1.34, 0.08, 0.69))
    for x in (-0.67, 0.67):
        for z in (-0.34, 0.34):
            place.cone("oak", (x, 0.0, z), 0.022, 0.72, 0.038)


def chair(place: Blueprint) -> None:
    """Faces local -z."""
    place.box("walnut", (0.0, 0.42, 0.0), (0.42, 0.03, 0.42))
    place.ball("linen", (0.0, 0.455, 0.0), (0.19, 0.025, 0.19))
    for x in (-0.18, 0.18):
        place.cone("walnut", (x, 0.0, -0.18), 0.014, 0.42, 0.02)
        place.cylinder("walnut", (x, 0.0, 0.19), 0.018, 0.92, tilt=-4.0)
    for h in (0.58, 0.70, 0.82):
        place.box("walnut", (0.0, h, 0.235 + 0.07 * (h - 0.58)), (0.34, 0.06, 0.018), tilt=-4.0)


def fruit_bowl(place: Blueprint) -> None:
    place.cone("blue glaze", (0.0, 0.0, 0.0), 0.06, 0.02, 0.055)
    place.cone("blue glaze", (0.0, 0.02, 0.0), 0.07, 0.065, 0.155)
    for k in range(5):
        angle = 1.257 * k
        place.ball(
            "orange" if k % 2 else "apple",
            (0.078 * math.cos(angle), 0.10, 0.078 * math.sin(angle)),
            0.042,
            yaw=40.0 * k,
        )
    place.ball("orange", (0.0, 0.155, 0.0), 0.043)


def tulips(place: Blueprint) -> None:
    place.cone("porcelain", (0.0, 0.0, 0.0), 0.045, 0.09, 0.06)
    place.cone("porcelain", (0.0, 0.09, 0.0), 0.06, 0.07, 0.032)
    for k in range(7):
        lean, turn = 8.0 + 13.0 * (k % 3), 51.4 * k
        stem = place.place(at=(0.0, 0.14, 0.0), yaw=turn, tilt=-lean)
        length = 0.17 + 0.025 * (k % 4)
        stem.cylinder("leaf", (0.0, 0.0, 0.0), 0.004, length)
        stem.ball("tulip", (0.0, length + 0.025, 0.0), (0.023, 0.036, 0.023))
        stem.ball("leaf", (0.015, 0.07, 0.0), (0.006, 0.08, 0.018), roll=-14.0)


def shelf(place: Blueprint, books: Blueprint) -> None:
    """A bookcase 1.3 m wide, its back at local +z, and what stands in it."""
    for x in (-0.65, 0.65):
        place.box("walnut", (x, 0.0, 0.0), (0.03, 2.0, 0.32))
    place.box("walnut", (0.0, 0.0, 0.15), (1.3, 2.0, 0.015))
    boards = (0.06, 0.46, 0.84, 1.22, 1.60)
    for h in (*boards, 1.97):
        place.box("walnut", (0.0, h, 0.0), (1.30, 0.025, 0.31))
    place.box("walnut", (0.0, 0.0, 0.0), (1.30, 0.06, 0.28))
    for row, h in enumerate(boards):
        x, k = -0.61, 0
        while x < 0.56:
            thick = 0.022 + 0.03 * hash01(row, k, 31)
            tall = (0.21 + 0.09 * hash01(row, k, 32)) * (1.05 if row == 0 else 1.0)
            pause = hash01(row, k, 33)
            if pause > 0.10:
                deep = 0.18 + 0.05 * hash01(row, k, 34)
                lean = 9.0 if pause > 0.95 else 0.0
                kind = int(hash01(row, k, 35) * len(BOOK_COLORS))
                books.box(f"book {kind}", (x + thick / 2, h + 0.025, 0.13 - deep / 2), (thick, tall, deep), roll=lean)
                x += thick + 0.002 + (0.04 if lean else 0.0)
            else:
                x += 0.13
            k += 1
    books.cone("blue glaze", (-0.35, 1.995, 0.0), 0.05, 0.16, 0.09)
    books.ball("porcelain", (0.30, 2.07, 0.0), 0.075)
    books.box("book 3", (0.02, 1.995, 0.0), (0.26, 0.04, 0.18), yaw=10.0)


def floor_lamp(place: Blueprint) -> None:
    place.cylinder("iron", (0.0, 0.0, 0.0), 0.15, 0.02)
    place.cylinder("iron", (0.0, 0.02, 0.0), 0.012, 1.40)
    place.cone("shade", (0.0, 1.38, 0.0), 0.21, 0.27, 0.14)


def pendant(place: Blueprint, ceiling_m: float) -> None:
    place.cylinder("iron", (0.0, 1.86, 0.0), 0.005, ceiling_m - 1.86)
    place.cylinder("iron", (0.0, ceiling_m - 0.03, 0.0), 0.05, 0.03)
    place.cone("brass", (0.0, 1.74, 0.0), 0.20, 0.15, 0.05)
    place.ball("bulb", (0.0, 1.73, 0.0), 0.055)


def plant(place: Blueprint) -> None:
    place.cone("pot", (0.0, 0.0, 0.0), 0.13, 0.28, 0.18)
    place.cylinder("pot", (0.0, 0.26, 0.0), 0.195, 0.045)
    place.cylinder("earth", (0.0, 0.30, 0.0), 0.17, 0.01)
    for k in range(17):
        lean = 12.0 + 58.0 * (k % 6) / 5.0
        stem = place.place(at=(0.0, 0.30, 0.0), yaw=137.5 * k, tilt=-lean)
        length = 0.80 - 0.40 * (k % 6) / 5.0
        stem.cylinder("leaf", (0.0, 0.0, 0.0), 0.006, length)
        stem.ball("leaf", (0.0, length + 0.13, 0.03), (0.075, 0.18, 0.010), tilt=-14.0)


def sideboard(place: Blueprint) -> None:
    """Along a wall behind local +z."""
    place.box("oak", (0.0, 0.16, 0.0), (1.7, 0.58, 0.42))
    for x in (-0.56, 0.0, 0.56):
        place.box("walnut", (x, 0.20, -0.215), (0.53, 0.50, 0.012))
        place.ball("brass", (x + 0.20, 0.46, -0.23), 0.014)
    for x in (-0.76, 0.76):
        for z in (-0.15, 0.15):
            place.cone("walnut", (x, 0.0, z), 0.018, 0.16, 0.028)
    place.cone("blue glaze", (-0.58, 0.74, 0.0), 0.05, 0.12, 0.09)
    place.cone("blue glaze", (-0.58, 0.86, 0.0), 0.09, 0.12, 0.035)
    for i in range(4):
        place.box(f"book {2 * i}", (0.42 + 0.045 * i, 0.74, 0.05), (0.04, 0.24 - 0.02 * i, 0.18))
    place.cylinder("marble", (0.36, 0.74, 0.05), 0.03, 0.20)
    place.ball("marble", (0.36, 0.98, 0.05), (0.055, 0.07, 0.06))


def picture(place: Blueprint, painting: str, size: tuple[float, float]) -> None:
    """Framed, its back at z = 0 on a wall behind local +z; the origin is the middle of its lower edge."""
    width, height = size
    place.box("walnut", (0.0, -0.035, -0.012), (width + 0.07, height + 0.07, 0.024))
    place.box("plaster", (0.0, 0.0, -0.014), (width, height, 0.024))
    place.box(painting, (0.0, 0.05, -0.016), (width - 0.1, height - 0.1, 0.024))


def desk(place: Blueprint) -> None:
    place.box("oak", (0.0, 0.72, 0.0), (1.3, 0.03, 0.62))
    for x in (-0.62, 0.62):
        place.box("oak", (x, 0.0, 0.0), (0.03, 0.72, 0.58))
    place.box("walnut", (0.40, 0.36, 0.02), (0.42, 0.36, 0.54))
    for h in (0.40, 0.52, 0.64):
        place.ball("brass", (0.40, h, -0.26), 0.013)
    place.cylinder("iron", (-0.40, 0.75, 0.0), 0.07, 0.015)
    place.cylinder("iron", (-0.40, 0.76, 0.0), 0.008, 0.34)
    place.cone("shade", (-0.40, 1.06, 0.0), 0.12, 0.15, 0.07)
    for i in range(3):
        place.box(f"book {i + 3}", (0.30, 0.75 + 0.03 * i, 0.08), (0.24 - 0.02 * i, 0.03, 0.17), yaw=9.0 * i - 6.0)
    place.box("linen", (-0.12, 0.751, -0.10), (0.21, 0.004, 0.29), yaw=-7.0)


def globe(place: Blueprint) -> None:
    place.cylinder("walnut", (0.0, 0.0, 0.0), 0.17, 0.03)
    place.cone("walnut", (0.0, 0.03, 0.0), 0.05, 0.62, 0.025)
    place.ball("ocean", (0.0, 0.85, 0.0), 0.21, roll=23.0)
    place.cylinder("brass", (0.0, 0.845, 0.0), 0.225, 0.012)
