#version 430
// Every pixel whose nearest point lies in this block: blend it in behind the layers before.
layout(local_size_x = 16, local_size_y = 16) in;
#include "point_pages.glsl"
#include "nearest_keys.glsl"
#include "pictures.glsl"

uniform uint layer;

void main() {
    ivec2 pixel = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(pixel, size))) return;
    uint cell = uint(pixel.y * size.x + pixel.x);
    uint row = nearest[2u * cell + 1u] - first_row;
    Disc disc;
    if (nearest[2u * cell + 1u] == NOTHING || row >= row_count || !project(row, disc)) return;
    if (layer == 0u) pictures[cell].yz = uvec2(nearest[2u * cell], nearest[2u * cell + 1u]);
    uint red_green = word(row, 3u);
    vec3 color = vec3(red_green >> 16, red_green & 0xffffu, word(row, 4u) >> 16) / 256.0;
    float alpha = composited ? 1.0 - squared_distance(disc, pixel) / (disc.radius * disc.radius) : 1.0;
    float weight = clears[cell] * alpha;
    sums[cell] += weight * vec4(color, 1.0);
    clears[cell] *= 1.0 - alpha;
}
