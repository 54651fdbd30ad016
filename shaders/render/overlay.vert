#version 430
// Quads in pixels of the screen: boxes, glyphs, pictures.
#include "eye.glsl"
#include "quad.glsl"

struct Quad { vec4 rect; vec4 cell; vec4 color; };  // low and high corner: pixels, texture; rgba
layout(std430, binding = 0) readonly buffer Quads { Quad quads[]; };

out vec2 uv;
out vec4 color;

void main() {
    Quad quad = quads[gl_VertexID / 6];
    vec2 corner = quad_corner(gl_VertexID);
    uv = mix(quad.cell.xy, quad.cell.zw, corner);
    color = quad.color;
    gl_Position = vec4(ndc_of(mix(quad.rect.xy, quad.rect.zw, corner)), 0.0, 1.0);
}
