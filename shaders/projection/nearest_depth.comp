#version 430
// Every point: the least depth over each pixel, of those after the layer before.
layout(local_size_x = 256) in;
#include "point_pages.glsl"
#include "nearest_keys.glsl"

void main() {
    uint row = gl_GlobalInvocationID.x;
    Disc disc;
    if (!project(row, disc)) return;
    uint depth = floatBitsToUint(disc.depth);
    ivec4 area = box(disc);
    for (int y = area.y; y <= area.w; ++y) {
        for (int x = area.x; x <= area.z; ++x) {
            if (!inside(disc, ivec2(x, y))) continue;
            uint cell = uint(y * size.x + x);
            if (depth < nearest[2u * cell] && after_previous(cell, depth, first_row + row)) {
                atomicMin(nearest[2u * cell], depth);
            }
        }
    }
}
