#version 430
// From splats to the picture: eye-dome lighting (Boucheron 2009), what is behind the cloud, holes, and the floor's grid.
#include "eye.glsl"

uniform sampler2D scene_color;
uniform sampler2D scene_depth;
uniform vec3 axes[3];    // world_from_camera's rotation, by rows
uniform vec3 eye;        // the camera's place in the world
uniform float floor_y_m;
uniform bool grid;
uniform bool holes;
uniform float reach_px;  // how far eye-dome lighting looks

layout(location = 0) out vec4 pixel;

const float STRENGTH = 1.3;

// log2 of metres, up to a constant that differences lose.
float log_depth(vec2 at) {
    ivec2 cell = ivec2(clamp(at, vec2(0.0), size - 1.0));
    return -log2(max(1.0 - texelFetch(scene_depth, cell, 0).x, 1e-7));
}

float eye_dome(float own) {
    float occluded = 0.0;
    const vec2 around[4] = vec2[](vec2(1, 0.4), vec2(-0.4, 1), vec2(-1, -0.4), vec2(0.4, -1));
    for (int n = 0; n < 4; ++n) {
        float nearer = own - log_depth(gl_FragCoord.xy + reach_px * around[n]);
        occluded += clamp(nearer - 0.004, 0.0, 0.3);
    }
    return exp(-STRENGTH * occluded);
}

// A pixel that no disc reached though most around it were: the mean of those, so that thinned surfaces stay closed.
bool filled(out vec3 color, out float depth) {
    vec4 sum = vec4(0.0);
    int found = 0;
    for (int n = 0; n < 9; ++n) {
        ivec2 cell = clamp(ivec2(gl_FragCoord.xy) + ivec2(n % 3, n / 3) - 1, ivec2(0), ivec2(size) - 1);
        float near = texelFetch(scene_depth, cell, 0).x;
        if (near == 1.0) continue;
        sum += vec4(texelFetch(scene_color, cell, 0).rgb, near);
        ++found;
    }
    color = sum.rgb / float(max(found, 1));
    depth = sum.a / float(max(found, 1));
    return found >= 5;
}

vec3 background(vec3 ray) {
    float height = -normalize(ray).y;
    vec3 horizon = vec3(0.145, 0.160, 0.185), zenith = vec3(0.070, 0.080, 0.105), nadir = vec3(0.060, 0.064, 0.072);
    return mix(horizon, height > 0.0 ? zenith : nadir, smoothstep(0.0, 0.7, abs(height)));
}

// Lines every metre, strong ones every five, fading where they would flicker.
float floor_lines(vec2 place, vec2 footprint) {
    float lines = 0.0;
    for (int n = 0; n < 2; ++n) {
        float spacing = n == 0 ? 1.0 : 5.0;
        vec2 width = footprint / spacing;
        vec2 away = abs(fract(place / spacing + 0.5) - 0.5) / max(width, vec2(1e-6));
        vec2 line = clamp(1.3 - away, 0.0, 1.0) * clamp(1.0 - 3.0 * width, 0.0, 1.0);
        lines = max(lines, (n == 0 ? 0.35 : 0.7) * max(line.x, line.y));
    }
    return lines;
}

void main() {
    vec2 at = from_top(gl_FragCoord.xy);
    vec3 ray_in_camera = vec3((at - pinhole.zw) / pinhole.xy, 1.0);
    vec3 ray = vec3(dot(axes[0], ray_in_camera), dot(axes[1], ray_in_camera), dot(axes[2], ray_in_camera));
    float depth = texelFetch(scene_depth, ivec2(gl_FragCoord.xy), 0).x;
    vec3 color = texelFetch(scene_color, ivec2(gl_FragCoord.xy), 0).rgb;
    bool seen = depth < 1.0 || filled(color, depth);

    if (seen) {
        color *= eye_dome(-log2(max(1.0 - depth, 1e-7)));
    } else if (!holes) {
        color = background(ray);
    } else {
        float stripe = smoothstep(0.4, 0.6, abs(fract((at.x + at.y) / (8.0 * reach_px)) - 0.5) * 2.0);
        color = mix(vec3(0.42, 0.10, 0.30), vec3(0.72, 0.20, 0.48), stripe);
    }
    if (grid) {
        float along = (floor_y_m - eye.y) / ray.y;  // z in the camera, whose ray has z = 1
        vec2 place = eye.xz + along * ray.xz;
        float lines = floor_lines(place, fwidth(place));
        if (along > 0.0 && (!seen || along < metres(depth) * 1.01 + 0.02)) color = mix(color, vec3(0.80, 0.86, 0.92), lines);
    }
    pixel = vec4(color, 1.0);
}
