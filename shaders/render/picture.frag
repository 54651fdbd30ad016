#version 430

uniform sampler2D picture;

in vec2 uv;
in vec4 color;
layout(location = 0) out vec4 pixel;

void main() {
    pixel = color * vec4(texture(picture, uv).rgb, 1.0);
}
