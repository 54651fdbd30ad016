#version 430
// A segment in the world, widened to a quad on the screen.
#include "eye.glsl"
#include "quad.glsl"

struct Segment { vec4 start; vec4 end; vec4 color; };
layout(std430, binding = 0) readonly buffer Segments { Segment segments[]; };

uniform float width_px;

out vec4 color;

void main() {
    Segment segment = segments[gl_VertexID / 6];
    vec2 corner = quad_corner(gl_VertexID);
    color = segment.color;
    gl_Position = vec4(0.0, 0.0, 2.0, 1.0);

    vec3 a = in_camera(segment.start.xyz), b = in_camera(segment.end.xyz);
    if (max(a.z, b.z) <= NEAR_M) return;
    if (a.z < NEAR_M) a = mix(a, b, (NEAR_M - a.z) / (b.z - a.z));
    if (b.z < NEAR_M) b = mix(b, a, (NEAR_M - b.z) / (a.z - b.z));

    vec2 from = pixel_of(a), to = pixel_of(b);
    vec2 along = to - from;
    vec2 across = length(along) > 1e-4 ? normalize(vec2(-along.y, along.x)) : vec2(1.0, 0.0);
    vec3 end = corner.x > 0.5 ? b : a;
    vec2 pixel = pixel_of(end) + (corner.y - 0.5) * width_px * across;
    gl_Position = vec4(ndc_of(pixel), 2.0 * buffer_depth(end.z) - 1.0, 1.0);
}
