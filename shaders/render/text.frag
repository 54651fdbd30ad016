#version 430
// Boxes and glyphs: the atlas says how much of a pixel the glyph covers.

uniform sampler2D atlas;

in vec2 uv;
in vec4 color;
layout(location = 0) out vec4 pixel;

void main() {
    pixel = vec4(color.rgb, color.a * texture(atlas, uv).r);
}
