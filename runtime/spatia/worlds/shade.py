"""From rays to pixels: the colour of what a ray meets, one ray a pixel centre, more where the picture has edges.

What stands still is lit by its charts (light.py); what moves is lit as it is met, and darkens what it stands near.
Numba; pure; any thread.
"""

import math
from typing import NamedTuple

from spatia.geom.pose import F64
from spatia.records.arrays import F32, I32, U8, Bool
from spatia.worlds.charts import Charts, kept_light
from spatia.worlds.kernel import kernel
from spatia.worlds.light import Lights, lamplight, sky, sunlight
from spatia.worlds.primitives import Solids
from spatia.worlds.raycast import FAR, is_lit, normal_in_local, to_local, to_world, trace
from spatia.worlds.textures import albedo, surface_uv

EDGE_CONTRAST = 0.1  # of the display's range, between neighbours; above it a pixel gets three more rays
CAMERA = 1 << 20  # solids that move are numbered from here


class Materials(NamedTuple):
    """K materials as arrays; see `blueprint.Material`."""

    pattern: I32  # [K]
    color: F64  # [K, 3]
    second: F64  # [K, 3]
    scale: F64  # [K, 2]
    in_world: Bool  # [K]
    emission: F64  # [K]


class Stage(NamedTuple):
    """Everything that a ray may ask of a scene at one moment."""

    still: Solids
    charts: Charts
    light: F32  # [M, 4]
    moving: Solids
    blobs: F64  # [B, 4] centre and radius of spheres about the things that move
    materials: Materials
    lights: Lights
    exposure: float


@kernel
def surface_color(
    solids: Solids,
    materials: Materials,
    i: int,
    face: int,
    x: float,
    y: float,
    z: float,
    wx: float,
    wy: float,
    wz: float,
    nx: float,
    ny: float,
    nz: float,
    footprint: float,
) -> tuple[float, float, float]:
    """Reflectance of solid i at a local point (x, y, z), in the world (wx, wy, wz) with normal (nx, ny, nz)."""
    k = solids.material[i]
    if materials.in_world[k]:
        x, y, z = wx, wy, wz
        if abs(ny) > max(abs(nx), abs(nz)):
            u, v = wx, wz
        else:
            u, v = (wz if abs(nx) > abs(nz) else wx), wy
        seed = 0
    else:
        u, v = surface_uv(solids.shape[i], face, x, y, z)
        seed = i * 17
    return albedo(
        materials.pattern[k],
        materials.color[k],
        materials.second[k],
        materials.scale[k],
        solids.size[i],
        u,
        v,
        x,
        y,
        z,
        seed,
        footprint,
    )


@kernel
def nearest(
    stage: Stage, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> tuple[float, int, int, bool]:
    """What a ray meets first: (t, solid, face, whether it is a mover); t = FAR and solid = -1 for the sky."""
    t, i, face = trace(stage.still, ox, oy, oz, dx, dy, dz, FAR)
    if len(stage.moving.shape) > 0:
        near, j, side = trace(stage.moving, ox, oy, oz, dx, dy, dz, t)
        if j >= 0:
            return near, j, side, True
    return t, i, face, False


@kernel
def look(
    stage: Stage, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, pixel: float
) -> tuple[float, float, float, float, int]:
    """Radiance along a ray whose pixel is `pixel` wide at t = 1: (red, green, blue, t, solid); t = FAR for the sky."""
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    t, i, face, moves = nearest(stage, ox, oy, oz, dx, dy, dz)
    solids = stage.moving if moves else stage.still
    lights = stage.lights
    if i < 0:
        ux, uy, uz = dx / length, dy / length, dz / length
        r, g, b = sky(lights, ux, uy, uz)
        towards = ux * lights.sun_direction[0] + uy * lights.sun_direction[1] + uz * lights.sun_direction[2]
        if towards > 0.95:
            glow = 0.25 * ((towards - 0.95) / 0.05) ** 4 + (6.0 if towards > 0.9995 else 0.0)
            r, g, b = r + glow * lights.sun_color[0], g + glow * lights.sun_color[1], b + glow * lights.sun_color[2]
        return r, g, b, FAR, -1
    wx, wy, wz = ox + t * dx, oy + t * dy, oz + t * dz
    x, y, z = to_local(solids, i, wx, wy, wz)
    lx, ly, lz = normal_in_local(solids, i, face, x, y, z)
    nx, ny, nz = to_world(solids, i, lx, ly, lz)
    slant = max(0.12, abs(nx * dx + ny * dy + nz * dz) / length)
    footprint = pixel * t / math.sqrt(slant)
    r, g, b = surface_color(solids, stage.materials, i, face, x, y, z, wx, wy, wz, nx, ny, nz, footprint)
    emission = stage.materials.emission
    shine = emission[solids.material[i]]
    if shine > 0.0:
        rim = 0.75 + 0.25 * slant
        return r * shine * rim, g * shine * rim, b * shine * rim, t, i + (CAMERA if moves else 0)
    if moves:
        up = 0.5 - 0.5 * ny
        er, eg, eb = lamplight(stage.still, emission, lights, wx, wy, wz, nx, ny, nz, 1, 0.0)
        below, above = lights.ambient_below, lights.ambient_above
        er, eg, eb = (
            er + below[0] + (above[0] - below[0]) * up,
            eg + below[1] + (above[1] - below[1]) * up,
            eb + below[2] + (above[2] - below[2]) * up,
        )
        sun = sunlight(stage.still, emission, lights, wx, wy, wz, nx, ny, nz, 1, 0.0)
    else:
        er, eg, eb, sun = kept_light(stage.still, stage.charts, stage.light, i, face, x, y, z)
        s = lights.sun_direction
        full = nx * s[0] + ny * s[1] + nz * s[2]
        if 0.02 * full < sun < 0.98 * full:  # an edge of a shadow, which is finer than the texels
            sun = sunlight(solids, emission, lights, wx, wy, wz, nx, ny, nz, 2, 0.0)
        for blob in stage.blobs:
            bx, by, bz = blob[0] - wx, blob[1] - wy, blob[2] - wz
            distance = math.sqrt(bx * bx + by * by + bz * bz)
            ratio = blob[3] / max(distance, blob[3])
            shade = 1.0 - 0.8 * ratio * ratio * min(1.0, max(0.0, 0.3 + (nx * bx + ny * by + nz * bz) / distance))
            er, eg, eb = er * shade, eg * shade, eb * shade
    if sun > 0.0 and len(stage.moving.shape) > 0:
        s = lights.sun_direction
        if not is_lit(stage.moving, emission, wx, wy, wz, s[0], s[1], s[2], FAR):
            sun = 0.0
    sun_color = lights.sun_color
    return (
        r * (er + sun * sun_color[0]),
        g * (eg + sun * sun_color[1]),
        b * (eb + sun * sun_color[2]),
        t,
        i + (CAMERA if moves else 0),
    )


@kernel
def shown(radiance: float, exposure: float) -> float:
    """Display value in 0..1: a filmic curve (Narkowicz's fit of ACES), then gamma."""
    x = radiance * exposure
    return float(min(1.0, max(0.0, x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)) ** (1.0 / 2.2)))


@kernel
def ray_through(pose: F64, lens: F64, u_px: float, v_px: float) -> tuple[float, float, float]:
    """The direction in the world through a place in the picture, as long as makes z = 1 before the camera."""
    x, y = (u_px - lens[2]) / lens[0], (v_px - lens[3]) / lens[1]
    return (
        pose[0, 0] * x + pose[0, 1] * y + pose[0, 2],
        pose[1, 0] * x + pose[1, 1] * y + pose[1, 2],
        pose[2, 0] * x + pose[2, 1] * y + pose[2, 2],
    )


@kernel
def centre_rays(
    start: int,
    stop: int,
    stage: Stage,
    pose: F64,
    lens: F64,
    color: F32,
    depth: F32,
    label: I32,
    moving: Bool,
    solid: I32,
) -> None:
    """One ray through each pixel centre of rows start..stop; `lens` is fx, fy, cx, cy, and z = 1 makes t the depth."""
    for v in range(start, stop):
        for u in range(depth.shape[1]):
            dx, dy, dz = ray_through(pose, lens, u + 0.5, v + 0.5)
            r, g, b, t, i = look(stage, pose[0, 3], pose[1, 3], pose[2, 3], dx, dy, dz, 1.0 / lens[1])
            color[v, u, 0], color[v, u, 1], color[v, u, 2] = (
                shown(r, stage.exposure),
                shown(g, stage.exposure),
                shown(b, stage.exposure),
            )
            solid[v, u] = i
            moving[v, u] = i >= CAMERA
            if i >= CAMERA:
                label[v, u] = stage.moving.label[i - CAMERA]
            else:
                label[v, u] = stage.still.label[i] if i >= 0 else 0
            depth[v, u] = t if i >= 0 else 0.0


@kernel
def measuring_rays(
    start: int, stop: int, stage: Stage, pose: F64, lens: F64, depth: F32, label: I32, moving: Bool
) -> None:
    """Depth, label and mover of the pixel centres of rows start..stop, as `centre_rays` has them, without colour."""
    for v in range(start, stop):
        for u in range(depth.shape[1]):
            dx, dy, dz = ray_through(pose, lens, u + 0.5, v + 0.5)
            t, i, _, moves = nearest(stage, pose[0, 3], pose[1, 3], pose[2, 3], dx, dy, dz)
            moving[v, u] = moves
            depth[v, u] = t if i >= 0 else 0.0
            label[v, u] = 0 if i < 0 else (stage.moving.label[i] if moves else stage.still.label[i])


@kernel
def edge_rays(start: int, stop: int, stage: Stage, pose: F64, lens: F64, color: F32, solid: I32, rgb: U8) -> None:
    """Final pixels of rows start..stop; where neighbours differ, three more rays are averaged in."""
    height, width = solid.shape
    for v in range(start, stop):
        for u in range(width):
            contrast = 0.0
            for k in range(4):
                uu = min(width - 1, max(0, u + (k == 0) - (k == 1)))
                vv = min(height - 1, max(0, v + (k == 2) - (k == 3)))
                for c in range(3):
                    contrast = max(contrast, abs(color[v, u, c] - color[vv, uu, c]))
            r, g, b = color[v, u, 0], color[v, u, 1], color[v, u, 2]
            if contrast > EDGE_CONTRAST:
                for k in range(3):
                    u_px, v_px = u + (0.10, 0.60, 0.90)[k], v + (0.60, 0.10, 0.90)[k]
                    dx, dy, dz = ray_through(pose, lens, u_px, v_px)
                    p, q, s, _, _ = look(stage, pose[0, 3], pose[1, 3], pose[2, 3], dx, dy, dz, 1.0 / lens[1])
                    r, g, b = r + shown(p, stage.exposure), g + shown(q, stage.exposure), b + shown(s, stage.exposure)
                r, g, b = 0.25 * r, 0.25 * g, 0.25 * b
            rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = int(r * 255.0 + 0.5), int(g * 255.0 + 0.5), int(b * 255.0 + 0.5)
