// The corner of a quad, from two triangles a quad: (0, 0), (1, 0), (0, 1), (0, 1), (1, 0), (1, 1).

vec2 quad_corner(int vertex) {
    int corner = vertex % 6;
    return vec2(corner == 1 || corner >= 4 ? 1.0 : 0.0, corner == 2 || corner == 3 || corner == 5 ? 1.0 : 0.0);
}
