"""Light that is computed once for a scene and kept on its surfaces: sun, lamps, windows, and two bounces between them.

Every face of every solid has a chart of texels. A texel's irradiance is found by tracing rays from it, in numbers that
depend on the texel alone, so the result does not depend on how many threads share the work. Units: irradiance over pi,
so that reflected light is reflectance times it.
"""

import math
from typing import NamedTuple

import numpy as np

from spatia.geom.pose import F64
from spatia.records.arrays import F32, Bool
from spatia.worlds.bands import in_bands
from spatia.worlds.charts import Charts, smooth, texel_at, texel_frame
from spatia.worlds.kernel import kernel
from spatia.worlds.primitives import BOX, ELLIPSOID, Solids
from spatia.worlds.raycast import FAR, is_lit, to_local, trace
from spatia.worlds.textures import hash01, noise2

SUN_RAYS, LAMP_RAYS, PORTAL_SIDE, FIRST_BOUNCE_RAYS, LAST_BOUNCE_RAYS = 6, 8, 4, 12, 32
SMOOTHINGS = 4  # of what bounced, 3x3 texels each: it varies slowly, and few rays make it grainy
GOLDEN = 0.6180339887498949


class Lights(NamedTuple):
    """What shines. Portals are openings through which the sky enters a closed space, sampled like windows of light."""

    sun_direction: F64  # [3] unit, towards the sun
    sun_color: F64  # [3]
    sun_radius_rad: float
    zenith: F64  # [3] sky straight up
    horizon: F64  # [3]
    ground: F64  # [3] below the horizon
    cloudiness: float
    lamps: F64  # [L, 7] position, radius, colour times metre squared
    portals: F64  # [P, 12] corner, edge, other edge, radiance; light leaves along edge x other edge
    ambient_above: F64  # [3] for what moves, which has no charts: light from above and from below
    ambient_below: F64  # [3]


@kernel
def sky(lights: Lights, dx: float, dy: float, dz: float) -> tuple[float, float, float]:
    """Radiance from far away along a unit direction: a gradient with clouds, without the sun's disc."""
    up = -dy
    if up <= 0.0:
        g = min(1.0, -6.0 * up)
        h = lights.horizon
        return (
            h[0] + (lights.ground[0] - h[0]) * g,
            h[1] + (lights.ground[1] - h[1]) * g,
            h[2] + (lights.ground[2] - h[2]) * g,
        )
    f = math.sqrt(up)
    r = lights.horizon[0] + (lights.zenith[0] - lights.horizon[0]) * f
    g = lights.horizon[1] + (lights.zenith[1] - lights.horizon[1]) * f
    b = lights.horizon[2] + (lights.zenith[2] - lights.horizon[2]) * f
    x, z = 1.7 * dx / (up + 0.25), 1.7 * dz / (up + 0.25)
    n = 0.55 * noise2(x, z, 41) + 0.28 * noise2(2.1 * x, 2.1 * z, 42) + 0.17 * noise2(4.7 * x, 4.7 * z, 43)
    c = lights.cloudiness * min(1.0, max(0.0, 3.2 * (n - 0.48))) * min(1.0, 4.0 * up)
    white = 1.05 * max(lights.horizon[0], lights.horizon[2])
    return r + (white - r) * c, g + (white - g) * c, b + (white - b) * c


@kernel
def is_inside(solids: Solids, px: float, py: float, pz: float) -> bool:
    """Whether a world point lies inside any solid, by more than a hair."""
    hair = 1e-4
    for i in range(len(solids.shape)):
        size = solids.size[i]
        x, y, z = to_local(solids, i, px, py, pz)
        if solids.shape[i] == BOX:
            if abs(x) < size[0] - hair and abs(y) < size[1] - hair and abs(z) < size[2] - hair:
                return True
        elif solids.shape[i] == ELLIPSOID:
            if (x / size[0]) ** 2 + (y / size[1]) ** 2 + (z / size[2]) ** 2 < 1.0 - 2.0 * hair / min(
                size[0], size[1], size[2]
            ):
                return True
        elif abs(y) < size[1] - hair:
            radius = 0.5 * (size[0] + size[2]) + 0.5 * (size[0] - size[2]) * y / size[1]
            if math.sqrt(x * x + z * z) < radius - hair:
                return True
    return False


@kernel
def basis(nx: float, ny: float, nz: float) -> tuple[float, float, float, float, float, float]:
    """Two unit vectors across a unit normal (Duff et al. 2017, JCGT 6(1))."""
    sign = 1.0 if nz >= 0.0 else -1.0
    a = -1.0 / (sign + nz)
    b = nx * ny * a
    return 1.0 + sign * nx * nx * a, sign * b, -sign * nx, b, sign + ny * ny * a, -ny


@kernel
def sunlight(
    solids: Solids,
    emission: F64,
    lights: Lights,
    px: float,
    py: float,
    pz: float,
    nx: float,
    ny: float,
    nz: float,
    rays: int,
    turn: float,
) -> float:
    """The share of sunlight that reaches a surface: cosine times the visible part of the sun's disc."""
    s = lights.sun_direction
    cosine = nx * s[0] + ny * s[1] + nz * s[2]
    if cosine <= 0.0:
        return 0.0
    ax, ay, az, bx, by, bz = basis(s[0], s[1], s[2])
    seen = 0
    for k in range(rays):
        angle = 2.0 * math.pi * (k * GOLDEN + turn)
        radius = lights.sun_radius_rad * math.sqrt((k + 0.5) / rays)
        p, q = radius * math.cos(angle), radius * math.sin(angle)
        seen += is_lit(
            solids, emission, px, py, pz, s[0] + p * ax + q * bx, s[1] + p * ay + q * by, s[2] + p * az + q * bz, FAR
        )
    return float(cosine * seen / rays)


@kernel
def lamplight(
    solids: Solids,
    emission: F64,
    lights: Lights,
    px: float,
    py: float,
    pz: float,
    nx: float,
    ny: float,
    nz: float,
    rays: int,
    turn: float,
) -> tuple[float, float, float]:
    r, g, b = 0.0, 0.0, 0.0
    for lamp in lights.lamps:
        for k in range(rays):
            height = 1.0 - 2.0 * (k + 0.5) / rays
            ring, angle = lamp[3] * math.sqrt(1.0 - height * height), 2.0 * math.pi * (k * GOLDEN + turn)
            dx = lamp[0] + ring * math.cos(angle) - px
            dy = lamp[1] + lamp[3] * height - py
            dz = lamp[2] + ring * math.sin(angle) - pz
            square = dx * dx + dy * dy + dz * dz
            cosine = (nx * dx + ny * dy + nz * dz) / math.sqrt(square)
            if cosine > 0.0 and is_lit(solids, emission, px, py, pz, dx, dy, dz, 1.0):
                share = cosine / (square * rays)
                r, g, b = r + lamp[4] * share, g + lamp[5] * share, b + lamp[6] * share
    return r, g, b


@kernel
def direct_light(
    start: int, stop: int, solids: Solids, charts: Charts, emission: F64, lights: Lights, light: F32, valid: Bool
) -> None:
    """Sun, lamps and portals on texels start..stop: `light` [M, 4]; `valid` is False inside another solid."""
    for m in range(start, stop):
        px, py, pz, nx, ny, nz = texel_frame(solids, charts, m)
        valid[m] = not is_inside(solids, px, py, pz)
        if not valid[m] or emission[solids.material[charts.solid[m]]] > 0.0:
            continue
        turn = hash01(m, 1, 0)
        light[m, 3] = sunlight(solids, emission, lights, px, py, pz, nx, ny, nz, SUN_RAYS, turn)
        r, g, b = lamplight(solids, emission, lights, px, py, pz, nx, ny, nz, LAMP_RAYS, turn)
        for c in lights.portals:
            ox = c[4] * c[8] - c[5] * c[7]  # normal times area
            oy = c[5] * c[6] - c[3] * c[8]
            oz = c[3] * c[7] - c[4] * c[6]
            for k in range(PORTAL_SIDE * PORTAL_SIDE):
                s = (k % PORTAL_SIDE + hash01(m, k, 2)) / PORTAL_SIDE
                t = (k // PORTAL_SIDE + hash01(m, k, 3)) / PORTAL_SIDE
                dx = c[0] + s * c[3] + t * c[6] - px
                dy = c[1] + s * c[4] + t * c[7] - py
                dz = c[2] + s * c[5] + t * c[8] - pz
                square = dx * dx + dy * dy + dz * dz
                facing = -(dx * ox + dy * oy + dz * oz)
                cosine = dx * nx + dy * ny + dz * nz
                if facing > 0.0 and cosine > 0.0 and is_lit(solids, emission, px, py, pz, dx, dy, dz, 1.0):
                    share = facing * cosine / (max(square, 0.01) ** 2 * math.pi * PORTAL_SIDE * PORTAL_SIDE)
                    r, g, b = r + c[9] * share, g + c[10] * share, b + c[11] * share
        light[m, 0], light[m, 1], light[m, 2] = r, g, b


@kernel
def crosses_portal(lights: Lights, px: float, py: float, pz: float, dx: float, dy: float, dz: float) -> bool:
    """Whether a ray leaves through a portal, whose light has been counted already."""
    for c in lights.portals:
        nx = c[4] * c[8] - c[5] * c[7]
        ny = c[5] * c[6] - c[3] * c[8]
        nz = c[3] * c[7] - c[4] * c[6]
        along = dx * nx + dy * ny + dz * nz
        if along >= 0.0:
            continue
        t = ((c[0] - px) * nx + (c[1] - py) * ny + (c[2] - pz) * nz) / along
        if t <= 0.0:
            continue
        x, y, z = px + t * dx - c[0], py + t * dy - c[1], pz + t * dz - c[2]
        s = (x * c[3] + y * c[4] + z * c[5]) / (c[3] ** 2 + c[4] ** 2 + c[5] ** 2)
        q = (x * c[6] + y * c[7] + z * c[8]) / (c[6] ** 2 + c[7] ** 2 + c[8] ** 2)
        if 0.0 <= s <= 1.0 and 0.0 <= q <= 1.0:
            return True
    return False


@kernel
def bounced_light(
    start: int,
    stop: int,
    solids: Solids,
    charts: Charts,
    lights: Lights,
    reflectance: F64,
    light: F32,
    bounced: F32,
    valid: Bool,
    rays: int,
    out: F32,
) -> None:
    """What reaches texels start..stop by way of other surfaces and from the sky, cosine-weighted: `out` [M, 3]."""
    for m in range(start, stop):
        if not valid[m]:
            continue
        px, py, pz, nx, ny, nz = texel_frame(solids, charts, m)
        ax, ay, az, bx, by, bz = basis(nx, ny, nz)
        turn = hash01(m, rays, 4)
        r, g, b = 0.0, 0.0, 0.0
        for k in range(rays):
            ring, height = math.sqrt((k + 0.5) / rays), math.sqrt(1.0 - (k + 0.5) / rays)
            angle = 2.0 * math.pi * (k * GOLDEN + turn)
            p, q = ring * math.cos(angle), ring * math.sin(angle)
            dx, dy, dz = p * ax + q * bx + height * nx, p * ay + q * by + height * ny, p * az + q * bz + height * nz
            if crosses_portal(lights, px, py, pz, dx, dy, dz):
                continue
            t, i, face = trace(solids, px, py, pz, dx, dy, dz, FAR)
            if i < 0:
                sr, sg, sb = sky(lights, dx, dy, dz)
                r, g, b = r + sr, g + sg, b + sb
                continue
            at = texel_at(solids, charts, i, face, px + t * dx, py + t * dy, pz + t * dz)
            color, sun = reflectance[solids.material[i]], light[at, 3]
            r += color[0] * (light[at, 0] + bounced[at, 0] + sun * lights.sun_color[0])
            g += color[1] * (light[at, 1] + bounced[at, 1] + sun * lights.sun_color[1])
            b += color[2] * (light[at, 2] + bounced[at, 2] + sun * lights.sun_color[2])
        out[m, 0], out[m, 1], out[m, 2] = r / rays, g / rays, b / rays


def lit_charts(solids: Solids, charts: Charts, *, reflectance: F64, emission: F64, lights: Lights) -> F32:
    """Light [M, 4] on every texel: red, green, blue without the sun, and the share of sun. Takes seconds."""
    count = len(charts.solid)
    light = np.zeros((count, 4), dtype=np.float32)
    valid, known = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    in_bands(direct_light, count, solids, charts, emission, lights, light, valid)
    bounced = np.zeros((count, 3), dtype=np.float32)
    for rays in (FIRST_BOUNCE_RAYS, LAST_BOUNCE_RAYS):
        raw = np.zeros_like(bounced)
        in_bands(bounced_light, count, solids, charts, lights, reflectance, light, bounced, valid, rays, raw)
        for _ in range(SMOOTHINGS):
            smoothed = np.zeros_like(bounced)
            in_bands(smooth, count, charts, valid, False, raw, known, smoothed)
            raw = smoothed
        bounced = raw
    light[:, :3] += bounced
    for _ in range(3):  # bilinear reading reaches one texel into what other solids cover
        filled, known = np.zeros_like(light), np.zeros_like(valid)
        in_bands(smooth, count, charts, valid, True, light, known, filled)
        light, valid = filled, known
    return light
