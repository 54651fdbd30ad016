#version 430
// One point of a page: a disc of its share of the surface. See spatia/render/point_packing.py for a point's words.
#include "eye.glsl"

const uint PAGE_POINTS = 1024u;
const uint POINT_WORDS = 5u;
const uint GROUP_POINTS = 16u;
const vec4 NOWHERE = vec4(4.0, 4.0, 0.0, 1.0);  // beside the screen: software clips depth one by one

layout(std430, binding = 0) readonly buffer Pages { uint words[]; };
layout(std430, binding = 1) readonly buffer Groups { uint groups[]; };  // see detail.group_table

uniform uint first_group;
uniform float radius_m;  // of a point whose whole page is drawn
uniform float least_px;  // radius of a point, however far
uniform int color_by;    // 0 rgb, 1 coverage, 2 provenance

// Centre and radius in pixels, bit by bit, and colour in bytes: one output, since software pays for each.
flat out uvec4 splat;

vec3 coverage_color(float seen) {
    vec3 seldom = vec3(0.83, 0.25, 0.20), sometimes = vec3(0.95, 0.77, 0.31), often = vec3(0.20, 0.66, 0.48);
    return seen < 0.5 ? mix(seldom, sometimes, 2.0 * seen) : mix(sometimes, often, 2.0 * seen - 1.0);
}

vec3 provenance_color(int clip, float light) {
    vec3 hue = vec3(0.62);                       // the world as it was
    if (clip == -2) hue = vec3(1.0, 0.25, 0.75);  // an edit
    // Golden ratio steps around the circle of hues keep neighbours apart.
    if (clip >= 0) hue = 0.55 + 0.4 * cos(6.2831853 * (fract(0.08 + 0.61803399 * float(clip)) - vec3(0.0, 0.333, 0.667)));
    return hue * (0.45 + 0.55 * light);
}

void main() {
    gl_Position = NOWHERE;
    gl_PointSize = 1.0;
    splat = uvec4(0u);

    uint group = groups[first_group + uint(gl_VertexID) / GROUP_POINTS];
    uint rank = (group & 63u) * GROUP_POINTS + uint(gl_VertexID) % GROUP_POINTS;
    float held = float(((group >> 12) & 63u) + 1u), drawn = float(((group >> 6) & 63u) + 1u);
    uint at = ((group >> 18) * PAGE_POINTS + rank) * POINT_WORDS;

    vec4 look = unpackUnorm4x8(words[at + 3u]);  // rgb, coverage
    vec3 p = in_camera(uintBitsToFloat(uvec3(words[at], words[at + 1u], words[at + 2u])));
    if (look.a == 0.0 || p.z < NEAR_M) return;

    vec2 centre = pixel_of(p);
    float radius = max(radius_m * sqrt(held / drawn) * pinhole.x / p.z, least_px);
    // A point is clipped by its centre: one just off the screen is moved to the edge and widened until it covers its disc.
    vec2 inside = clamp(centre, vec2(0.0), size);
    float beyond = max(abs(centre.x - inside.x), abs(centre.y - inside.y));
    if (beyond > radius) return;

    gl_Position = vec4(ndc_of(inside), 2.0 * buffer_depth(p.z) - 1.0, 1.0);
    gl_PointSize = 2.0 * (radius + beyond);

    vec3 color = look.rgb;
    if (color_by == 1) color = coverage_color(look.a);
    if (color_by == 2) color = provenance_color(int(words[at + 4u]), dot(color, vec3(0.3, 0.6, 0.1)));
    splat = uvec4(floatBitsToUint(vec3(centre, radius)), packUnorm4x8(vec4(color, 1.0)));
}
