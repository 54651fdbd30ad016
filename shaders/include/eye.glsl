// The camera that the window looks through: OpenCV axes, pixels from the top left, no far plane.

const float NEAR_M = 0.02;  // as in spatia/render/eye.py

uniform vec4 camera[3];  // camera_from_world without its last row
uniform vec4 pinhole;    // fx, fy, cx, cy
uniform vec2 size;       // width, height

vec3 in_camera(vec3 p) {
    vec4 point = vec4(p, 1.0);
    return vec3(dot(camera[0], point), dot(camera[1], point), dot(camera[2], point));
}

vec2 pixel_of(vec3 p) {
    return p.xy / p.z * pinhole.xy + pinhole.zw;
}

vec2 ndc_of(vec2 pixel) {
    return vec2(2.0, -2.0) * pixel / size + vec2(-1.0, 1.0);
}

vec2 from_top(vec2 window) {
    return vec2(window.x, size.y - window.y);
}

// The depth buffer holds 1 - NEAR_M / z: 1 where there is nothing.
float buffer_depth(float z) {
    return 1.0 - NEAR_M / z;
}

float metres(float depth) {
    return NEAR_M / max(1.0 - depth, 1e-7);
}
