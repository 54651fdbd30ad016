"""Writes scenes/assets/lighthouse.ply: a small, sparse cloud to walk around. Run: python tools/make_lighthouse.py"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

SPACING_M = 0.05
GOLDEN_TURN = np.pi * (3 - np.sqrt(5))
OUTPUT = Path(__file__).resolve().parents[1] / "scenes" / "assets" / "lighthouse.ply"

SEA, SAND, GRASS = (58, 116, 158), (214, 192, 142), (104, 142, 72)
RED, WHITE, SLATE, LIGHT = (186, 48, 44), (236, 232, 222), (66, 70, 78), (255, 224, 140)


def disc(radius_m: float) -> tuple[F64, F64]:
    """Distance from the centre and angle of a sunflower's evenly spread seeds."""
    count = round(np.pi * radius_m**2 / SPACING_M**2)
    seed = np.arange(count)
    return radius_m * np.sqrt((seed + 0.5) / count), seed * GOLDEN_TURN


def island() -> tuple[F64, F64]:
    """A hill in the sea, y downwards, sea level at 0."""
    radius, angle = disc(2.3)
    height = 0.55 * np.exp(-((radius / 1.0) ** 2)) + 0.03 * np.sin(3 * angle + 4 * radius) - 0.06
    ground = np.maximum(height, 0.0)
    color = np.where((height > 0.12)[:, None], GRASS, np.where((height > 0)[:, None], SAND, SEA)).astype(float)
    color *= (0.9 + 0.1 * np.cos(7 * angle + 11 * radius))[:, None]
    return np.stack([radius * np.cos(angle), -ground, radius * np.sin(angle)], axis=-1), color


def tower(
    low_m: float, high_m: float, low_radius_m: float, high_radius_m: float, colors: tuple[F64, ...]
) -> tuple[F64, F64]:
    """The side of a cone about the vertical, in rings of colour."""
    area = np.pi * (low_radius_m + high_radius_m) * (high_m - low_m)
    count = round(area / SPACING_M**2)
    share = (np.arange(count) + 0.5) / count
    angle = np.arange(count) * GOLDEN_TURN
    radius = low_radius_m + (high_radius_m - low_radius_m) * share
    height = low_m + (high_m - low_m) * share
    color = np.stack(colors)[np.minimum((share * len(colors)).astype(int), len(colors) - 1)]
    shade = 0.82 + 0.18 * np.cos(angle + 0.8)
    return np.stack([radius * np.cos(angle), -height, radius * np.sin(angle)], axis=-1), color * shade[:, None]


def lighthouse() -> tuple[F64, F64]:
    """positions [N, 3] in metres, colours [N, 3] in 0..255"""
    red, white, slate, light = (np.array(c, dtype=float) for c in (RED, WHITE, SLATE, LIGHT))
    parts = [
        island(),
        tower(0.35, 1.9, 0.36, 0.24, (white, red, white, red, white)),
        tower(1.88, 1.94, 0.24, 0.34, (slate,)),
        tower(1.94, 2.2, 0.17, 0.17, (light,)),
        tower(2.2, 2.45, 0.26, 0.01, (red,)),
    ]
    return np.concatenate([p for p, _ in parts]), np.concatenate([c for _, c in parts])


def main() -> None:
    positions, colors = lighthouse()
    vertex = np.zeros(len(positions), dtype=[("position", "<f4", 3), ("color", "u1", 3)])
    vertex["position"] = positions
    vertex["color"] = np.clip(np.round(colors), 0, 255)
    fields = [*(f"property float {axis}" for axis in "xyz"), *(f"property uchar {c}" for c in ("red", "green", "blue"))]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertex)}", *fields, "end_header"]
    OUTPUT.write_bytes("\n".join(header).encode() + b"\n" + vertex.tobytes())
    print(f"{OUTPUT}: {len(vertex)} points, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
