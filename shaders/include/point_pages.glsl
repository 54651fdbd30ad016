// One block of the cloud's pages and the camera that looks at them. See spatia/records/cloud.py for the words of a page.

const uint PAGE_POINTS = 1024u;
const uint FIELDS = 6u;  // x, y, z, red and green, blue, weight
const uint NOTHING = 0xffffffffu;

layout(std430, binding = 0) readonly buffer Pages { uint words[]; };

uniform uint first_row;  // of this block, in the snapshot
uniform uint row_count;  // rows of this block
uniform vec4 camera[3];  // camera_from_world without its last row
uniform vec4 pinhole;    // fx, fy, cx, cy
uniform vec3 radii;      // radius_px_m, min_radius_px, max_radius_px
uniform float near_m;
uniform ivec2 size;      // width, height
uniform bool composited;

struct Disc {
    vec2 centre;  // pixels
    float depth;  // metres
    float radius; // pixels
};

uint word(uint row, uint field) {
    return words[(row / PAGE_POINTS * FIELDS + field) * PAGE_POINTS + row % PAGE_POINTS];
}

// False for what is removed, behind the camera, or beyond this block. `precise` keeps the compiler from fusing a * b + c,
// so that only the division may round differently from the processor's.
bool project(uint row, out Disc disc) {
    if (row >= row_count || !(uintBitsToFloat(word(row, 5u)) > 0.0)) return false;
    vec3 p = uintBitsToFloat(uvec3(word(row, 0u), word(row, 1u), word(row, 2u)));
    precise float x = camera[0].x * p.x + camera[0].y * p.y + camera[0].z * p.z + camera[0].w;
    precise float y = camera[1].x * p.x + camera[1].y * p.y + camera[1].z * p.z + camera[1].w;
    precise float z = camera[2].x * p.x + camera[2].y * p.y + camera[2].z * p.z + camera[2].w;
    precise float inverse = 1.0 / z;
    precise float u = x * inverse * pinhole.x + pinhole.z;
    precise float v = y * inverse * pinhole.y + pinhole.w;
    disc = Disc(vec2(u, v), z, clamp(radii.x * inverse, radii.y, radii.z));
    return z >= near_m;
}

float squared_distance(Disc disc, ivec2 pixel) {
    vec2 away = vec2(pixel) + 0.5 - disc.centre;
    precise float squared = away.x * away.x + away.y * away.y;
    return squared;
}

bool inside(Disc disc, ivec2 pixel) {
    float squared = squared_distance(disc, pixel);
    float limit = disc.radius * disc.radius;
    return composited ? squared < limit : squared <= limit || pixel == ivec2(floor(disc.centre));
}

// The screen's pixels among which the disc's lie: lowest and highest, empty where highest < lowest.
ivec4 box(Disc disc) {
    vec2 reach = vec2(floor(disc.radius + 0.5));
    vec2 low = clamp(floor(disc.centre) - reach, vec2(-1), vec2(size));
    vec2 high = clamp(floor(disc.centre) + reach, vec2(-1), vec2(size));
    return ivec4(max(ivec2(low), ivec2(0)), min(ivec2(high), size - 1));
}
