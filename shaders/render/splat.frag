#version 430
// The pixels whose centre lies in the disc.
#include "eye.glsl"

flat in uvec4 splat;

layout(location = 0) out vec4 pixel;

void main() {
    vec2 away = from_top(gl_FragCoord.xy) - uintBitsToFloat(splat.xy);
    float radius = uintBitsToFloat(splat.z);
    if (dot(away, away) > radius * radius) discard;
    pixel = unpackUnorm4x8(splat.w);
}
