// What a pixel has gathered (binding 3, 4) and what is read back (binding 5): packed rgb, depth bits, row, coverage bits.

layout(std430, binding = 3) buffer Sums { vec4 sums[]; };      // red, green, blue in 0..255, alpha
layout(std430, binding = 4) buffer Clears { float clears[]; }; // what still shines through
layout(std430, binding = 5) buffer Pictures { uvec4 pictures[]; };
