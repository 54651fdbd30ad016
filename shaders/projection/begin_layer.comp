#version 430
// Every pixel: what was nearest is now the layer before.
layout(local_size_x = 16, local_size_y = 16) in;
#include "point_pages.glsl"
#include "nearest_keys.glsl"
#include "pictures.glsl"

uniform uint layer;

void main() {
    ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(pixel, size))) return;
    uint cell = uint(pixel.y * size.x + pixel.x);
    if (layer == 0u) {
        sums[cell] = vec4(0);
        clears[cell] = 1.0;
        pictures[cell] = uvec4(0u, 0u, NOTHING, 0u);
    }
    previous[2u * cell] = layer == 0u ? 0u : nearest[2u * cell];
    previous[2u * cell + 1u] = layer == 0u ? 0u : nearest[2u * cell + 1u];
    nearest[2u * cell] = NOTHING;
    nearest[2u * cell + 1u] = NOTHING;
}
