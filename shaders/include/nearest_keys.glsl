// Two words a pixel, (depth bits, row): the nearest point of this layer, and that of the layer before.
// Positive floats sort as their bits do; among equal depths the lower row is the nearer.

layout(std430, binding = 1) coherent buffer Nearest { uint nearest[]; };
layout(std430, binding = 2) buffer Previous { uint previous[]; };

bool after_previous(uint cell, uint depth, uint row) {
    uint before = previous[2u * cell];
    return depth > before || (depth == before && row > previous[2u * cell + 1u]);
}
