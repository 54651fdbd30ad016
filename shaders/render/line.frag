#version 430
// What lies behind the cloud shines through it faintly.
#include "eye.glsl"

uniform sampler2D scene_depth;

in vec4 color;
layout(location = 0) out vec4 pixel;

void main() {
    float before = metres(texelFetch(scene_depth, ivec2(gl_FragCoord.xy), 0).x);
    bool hidden = metres(gl_FragCoord.z) > before * 1.005 + 0.01;
    pixel = vec4(color.rgb, color.a * (hidden ? 0.22 : 1.0));
}
