#version 430
// Every pixel: round the colour to bytes.
layout(local_size_x = 16, local_size_y = 16) in;
#include "point_pages.glsl"
#include "pictures.glsl"

void main() {
    ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(pixel, size))) return;
    uint cell = uint(pixel.y * size.x + pixel.x);
    uvec3 rgb = uvec3(min(sums[cell].rgb, vec3(255.0)) + 0.5);
    pictures[cell].x = rgb.r | rgb.g << 8 | rgb.b << 16;
    pictures[cell].w = floatBitsToUint(min(sums[cell].a, 1.0));
}
