#version 430
// A chosen point, a little larger than its splat.
#include "eye.glsl"

layout(std430, binding = 0) readonly buffer Positions { float positions[]; };  // x, y, z of each

uniform float radius_m;
uniform float least_px;  // across
uniform vec4 highlight;

out vec4 color;

void main() {
    int at = 3 * gl_VertexID;
    vec3 p = in_camera(vec3(positions[at], positions[at + 1], positions[at + 2]));
    color = highlight;
    gl_PointSize = clamp(2.0 * radius_m * pinhole.x / p.z, least_px, 64.0);
    gl_Position = p.z < NEAR_M ? vec4(0.0, 0.0, 2.0, 1.0) : vec4(ndc_of(pixel_of(p)), 2.0 * buffer_depth(p.z) - 1.0, 1.0);
}
