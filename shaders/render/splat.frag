#version 430
// The pixels whose centre lies in the disc, and always the one that the point falls into.
#include "eye.glsl"

flat in vec3 color;
flat in vec3 disc;

layout(location = 0) out vec4 pixel;

void main() {
    vec2 at = from_top(gl_FragCoord.xy);
    vec2 away = at - disc.xy;
    if (dot(away, away) > disc.z * disc.z && floor(at) != floor(disc.xy)) discard;
    pixel = vec4(color, 1.0);
}
