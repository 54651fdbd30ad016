"""Draws a `View` into the framebuffer that is in use: splats, then light and background, then what lies over them.

Main thread, with the context current. Splats go to a colour and a depth texture of their own; everything after reads
those, so the framebuffer needs no depth of its own. All geometry is pulled from storage buffers by vertex number.
"""

from dataclasses import replace
from typing import Any, Literal

import moderngl
import numpy as np
import numpy.typing as npt

from spatia import glsl
from spatia.errors import DeviceError
from spatia.records.arrays import F32, U8
from spatia.records.cloud import CloudSnapshot
from spatia.render import text
from spatia.render.detail import GROUP_POINTS, POINTS_A_PIXEL, group_table, groups_within, shares_worth_drawing
from spatia.render.device_pages import BLOCK_PAGES, DevicePages
from spatia.render.eye import Eye
from spatia.render.lines import segments
from spatia.render.point_packing import PAGE_BYTES
from spatia.render.view import Drawn, View

PROGRAMS = {
    "splat": ("splat.vert", "splat.frag"),
    "resolve": ("screen.vert", "resolve.frag"),
    "line": ("line.vert", "line.frag"),
    "highlight": ("highlight.vert", "line.frag"),
    "text": ("overlay.vert", "text.frag"),
    "picture": ("overlay.vert", "picture.frag"),
}
COLOR_BY = {"rgb": 0, "coverage": 1, "provenance": 2}
SPLAT_RADIUS_VOXELS = 1.0  # discs on a grid close at 0.71; points lie anywhere in their voxels
LEAST_RADIUS_PX = 1.0  # keeps far surfaces closed that were seen with a coarser raster
HIGHLIGHT_COLOR = (1.0, 0.85, 0.1, 0.9)
MOST_HIGHLIGHTED = 1 << 16  # of more, every n-th is drawn
SHORTEST_TEXT_PX, SCREEN_TO_TEXT = 12, 60
MOST_FONTS = 8  # kept, while a window is being resized
BESIDE_SHARE = 0.38  # of the screen's width


class Renderer:
    """Owns programs, buffers and textures until `release`. Raises `DeviceError` where shaders do not compile."""

    def __init__(self, context: Any, *, point_budget: int = 2_000_000, upload_budget_bytes: int = 8 << 20) -> None:
        if point_budget < GROUP_POINTS:
            raise ValueError(f"point_budget must be at least {GROUP_POINTS}; got {point_budget}")
        if upload_budget_bytes < PAGE_BYTES:
            raise ValueError(f"upload_budget_bytes must hold a page of {PAGE_BYTES} bytes; got {upload_budget_bytes}")
        self._context = context
        self._point_budget = point_budget
        self._upload_budget_bytes = upload_budget_bytes
        self._programs = {name: _program(context, *files) for name, files in PROGRAMS.items()}
        self._meshes = {name: context.vertex_array(program, []) for name, program in self._programs.items()}
        self._pages = DevicePages(context)
        self._groups = _Stream(context)
        self._quads = _Stream(context)
        self._scene: _Scene | None = None
        self._fonts: dict[int, tuple[text.Font, Any]] = {}  # by letter height: metrics and the atlas on the device
        self._picture: Any = None

    def draw(self, view: View, *, size_px: tuple[int, int]) -> Drawn:
        """One frame. Raises `ValueError` where the view's intrinsics are of another size than the framebuffer."""
        if (view.intrinsics.width_px, view.intrinsics.height_px) != size_px:
            raise ValueError(f"the view's intrinsics must be of size {size_px}; got {view.intrinsics}")
        screen = self._context.fbo
        drawn = self._draw_world(_halved(view) if view.coarse else view, screen)
        if view.coarse:
            self._enlarge(view, screen)
        if view.picture is not None and view.picture_mode != "off":
            self._draw_picture(view.picture, view.picture_mode, size_px)
        self._draw_text(view, size_px)
        self._context.disable(moderngl.BLEND)
        return drawn

    def release(self) -> None:
        """Give back everything on the device. The context stays."""
        self._pages.release()
        for stream in (self._groups, self._quads):
            stream.release()
        self._release_fonts()
        for resource in (*self._meshes.values(), *self._programs.values(), self._picture, self._scene):
            if resource is not None:
                resource.release()

    def _draw_world(self, view: View, screen: Any) -> Drawn:
        """All that has a place in the world, onto the screen or, coarse, into a texture. Leaves blending on."""
        eye = Eye.of(view.world_from_camera, view.intrinsics)
        for program in self._programs.values():
            _set(program, eye.uniforms)
        scene = self._scene_of((view.intrinsics.width_px, view.intrinsics.height_px))
        drawn = self._draw_splats(view, eye, scene)
        self._use(scene.lit_framebuffer if view.coarse else screen, scene.size_px)
        self._context.disable(moderngl.DEPTH_TEST)
        scene.color.use(0)
        scene.depth.use(1)
        self._resolve(view)
        self._context.enable(moderngl.BLEND)
        self._draw_marks(view)
        return drawn

    def _enlarge(self, view: View, screen: Any) -> None:
        """The world that was drawn coarse, over the whole screen."""
        size_px = view.intrinsics.width_px, view.intrinsics.height_px
        self._use(screen, size_px)
        for name in ("picture", "text"):
            _set(self._programs[name], {"size": size_px})
        assert self._scene is not None  # the world was drawn there
        self._scene.lit.use(0)
        whole = np.array([[(0, 0, *size_px), (0, 1, 1, 0), (1, 1, 1, 1)]], np.float32)  # rows from the lowest
        self._draw_quads("picture", whole, {"picture": 0})

    def _use(self, framebuffer: Any, size_px: tuple[int, int]) -> None:
        framebuffer.use()
        self._context.viewport = (0, 0, *size_px)

    def _draw_splats(self, view: View, eye: Eye, scene: "_Scene") -> Drawn:
        """Into the scene's own textures, unless those hold them already: who stands still costs little."""
        if scene.shows is not None and scene.shows.same_splats(view) and not scene.drawn.pages_waiting:
            return replace(scene.drawn, bytes_uploaded=0)
        scene.framebuffer.use()
        scene.framebuffer.clear(depth=1.0)
        if view.cloud is None:
            scene.drawn = Drawn(points_drawn=0, bytes_uploaded=0, pages_waiting=0)
        else:
            color_by = COLOR_BY[view.color_by]
            scene.drawn = self._draw_cloud(view.cloud, eye, most_points=view.most_points, color_by=color_by)
        scene.shows = view
        return scene.drawn

    def _draw_cloud(self, cloud: CloudSnapshot, eye: Eye, *, most_points: int | None, color_by: int) -> Drawn:
        shares = shares_worth_drawing(cloud, eye)
        self._pages.follow(cloud)
        uploaded = self._pages.upload(shares, budget_bytes=self._upload_budget_bytes)
        held = -(-self._pages.held // GROUP_POINTS)
        wanted = shares * held
        pixels = eye.intrinsics.width_px * eye.intrinsics.height_px
        worth = int(POINTS_A_PIXEL * pixels)
        if most_points is not None:
            worth = min(worth, most_points)
        all_pages = GROUP_POINTS * int((wanted > 0).sum())
        groups = groups_within(wanted, min(self._point_budget, max(worth, all_pages)))
        pages = np.flatnonzero(groups).astype(np.int32)
        groups = groups[pages]
        self._groups.put(group_table(pages % BLOCK_PAGES, groups, held=held[pages])).bind_to_storage_buffer(1)

        program = self._programs["splat"]
        _set(
            program,
            {
                "radius_m": SPLAT_RADIUS_VOXELS * cloud.voxel_m,
                "least_px": LEAST_RADIUS_PX * _scale(eye.intrinsics.height_px),
                "color_by": color_by,
            },
        )
        self._context.enable(moderngl.DEPTH_TEST | moderngl.PROGRAM_POINT_SIZE)
        first = 0
        for number, block in enumerate(self._pages.blocks):
            low, high = np.searchsorted(pages, (number * BLOCK_PAGES, (number + 1) * BLOCK_PAGES))
            count = int(groups[low:high].sum())
            if count:
                block.bind_to_storage_buffer(0)
                _set(program, {"first_group": first})
                self._meshes["splat"].render(moderngl.POINTS, vertices=count * GROUP_POINTS)
            first += count
        return Drawn(points_drawn=first * GROUP_POINTS, bytes_uploaded=uploaded, pages_waiting=self._pages.waiting)

    def _resolve(self, view: View) -> None:
        settings = {
            "scene_color": 0,
            "scene_depth": 1,
            "floor_y_m": view.floor_y_m,
            "grid": view.grid,
            "holes": view.holes,
            "reach_px": _scale(view.intrinsics.height_px),
        }
        _set(self._programs["resolve"], settings)
        self._meshes["resolve"].render(moderngl.TRIANGLES, vertices=3)

    def _draw_marks(self, view: View) -> None:
        """Chosen points, path and frusta."""
        scale = _scale(view.intrinsics.height_px)
        if len(view.highlighted):
            positions = view.highlighted[:: -(-len(view.highlighted) // MOST_HIGHLIGHTED)]
            radius_m = 1.1 * SPLAT_RADIUS_VOXELS * (view.cloud.voxel_m if view.cloud is not None else 0.01)
            self._quads.put(positions).bind_to_storage_buffer(0)
            settings = {"scene_depth": 1, "radius_m": radius_m, "least_px": 4.0 * scale, "highlight": HIGHLIGHT_COLOR}
            _set(self._programs["highlight"], settings)
            self._meshes["highlight"].render(moderngl.POINTS, vertices=len(positions))
        lines = segments(view.path_in_world, view.frusta_world_from_camera, view.intrinsics)
        if len(lines):
            self._quads.put(lines).bind_to_storage_buffer(0)
            _set(self._programs["line"], {"scene_depth": 1, "width_px": 1.5 * scale})
            self._meshes["line"].render(moderngl.TRIANGLES, vertices=6 * len(lines))

    def _draw_picture(self, picture: U8, mode: Literal["beside", "over"], size_px: tuple[int, int]) -> None:
        height, width = picture.shape[:2]
        if self._picture is None or self._picture.size != (width, height):
            if self._picture is not None:
                self._picture.release()
            self._picture = self._context.texture((width, height), 3, alignment=1)
        self._picture.write(np.ascontiguousarray(picture))
        self._picture.use(0)
        rect = _picture_rect((width, height), mode, size_px)
        frame = _scale(size_px[1])
        quads = np.array(
            [
                [(rect[0] - frame, rect[1] - frame, rect[2] + frame, rect[3] + frame), (0, 0, 1, 1), (0, 0, 0, 0.8)],
                [rect, (0, 0, 1, 1), (1, 1, 1, 1)],
            ],
            np.float32,
        )
        self._draw_quads("picture", quads, {"picture": 0})

    def _draw_text(self, view: View, size_px: tuple[int, int]) -> None:
        height_px = max(SHORTEST_TEXT_PX, size_px[1] // SCREEN_TO_TEXT)
        if view.hud:
            font, atlas = self._font_of(height_px)
            atlas.use(0)
            self._draw_quads("text", text.hud_quads(font, view.hud), {"atlas": 0})
        if view.panel:
            font, _ = self._font_of(height_px)
            font, atlas = self._font_of(text.panel_letters_px(font, view.panel, size_px=size_px))
            atlas.use(0)
            self._draw_quads("text", text.panel_quads(font, view.panel, size_px=size_px), {"atlas": 0})

    def _font_of(self, height_px: int) -> tuple[text.Font, Any]:
        if height_px not in self._fonts:
            if len(self._fonts) == MOST_FONTS:
                self._release_fonts()
            font = text.Font(height_px)
            atlas = self._context.texture(font.atlas.shape[::-1], 1, font.atlas, alignment=1)
            atlas.filter = (moderngl.NEAREST, moderngl.NEAREST)
            self._fonts[height_px] = font, atlas
        return self._fonts[height_px]

    def _release_fonts(self) -> None:
        for _, atlas in self._fonts.values():
            atlas.release()
        self._fonts = {}

    def _draw_quads(self, name: str, quads: F32, settings: dict[str, Any]) -> None:
        self._quads.put(quads).bind_to_storage_buffer(0)
        _set(self._programs[name], settings)
        self._meshes[name].render(moderngl.TRIANGLES, vertices=6 * len(quads))

    def _scene_of(self, size_px: tuple[int, int]) -> "_Scene":
        if self._scene is None or self._scene.size_px != size_px:
            if self._scene is not None:
                self._scene.release()
            self._scene = _Scene(self._context, size_px)
        return self._scene


class _Scene:
    """Colour and depth of the splats, and of which view they are; and where a coarse world is lit."""

    def __init__(self, context: Any, size_px: tuple[int, int]) -> None:
        self.size_px = size_px
        self.shows: View | None = None
        self.drawn = Drawn(points_drawn=0, bytes_uploaded=0, pages_waiting=0)
        self.color = context.texture(size_px, 4)
        self.depth = context.depth_texture(size_px)
        self.depth.compare_func = ""  # read as numbers
        self.framebuffer = context.framebuffer([self.color], self.depth)
        self.lit = context.texture(size_px, 4)
        self.lit.repeat_x = self.lit.repeat_y = False
        self.lit_framebuffer = context.framebuffer([self.lit])

    def release(self) -> None:
        for resource in (self.framebuffer, self.color, self.depth, self.lit_framebuffer, self.lit):
            resource.release()


class _Stream:
    """A storage buffer that is written anew for every use and grows as it must."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._buffer = context.buffer(reserve=1 << 16, dynamic=True)

    def put(self, array: npt.NDArray[Any]) -> Any:
        if array.nbytes > self._buffer.size:
            self._buffer.release()
            self._buffer = self._context.buffer(reserve=2 * array.nbytes, dynamic=True)
        self._buffer.orphan()
        self._buffer.write(np.ascontiguousarray(array))
        return self._buffer

    def release(self) -> None:
        self._buffer.release()


def _halved(view: View) -> View:
    k = view.intrinsics
    return replace(view, intrinsics=k.resized(width_px=max(k.width_px // 2, 1), height_px=max(k.height_px // 2, 1)))


def _scale(height_px: int) -> float:
    """How many pixels stand for one, on screens with many."""
    return max(1.0, height_px / 720)


def _picture_rect(
    picture_px: tuple[int, int], mode: Literal["beside", "over"], size_px: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Left, top, right, bottom with the picture's own proportions: the whole screen, or its upper right corner."""
    share = 1.0 if mode == "over" else BESIDE_SHARE
    scale = share * min(size_px[0] / picture_px[0], size_px[1] / picture_px[1])
    width, height = scale * picture_px[0], scale * picture_px[1]
    if mode == "over":
        left, top = 0.5 * (size_px[0] - width), 0.5 * (size_px[1] - height)
    else:
        left, top = size_px[0] - width - 0.02 * size_px[1], 0.02 * size_px[1]
    return left, top, left + width, top + height


def _program(context: Any, vertex: str, fragment: str) -> Any:
    try:
        return context.program(
            vertex_shader=glsl.load(f"render/{vertex}"), fragment_shader=glsl.load(f"render/{fragment}")
        )
    except moderngl.Error as error:
        raise DeviceError(
            f"this OpenGL cannot build render/{vertex} with render/{fragment}: {error}",
            fix="update the graphics driver, or set LIBGL_ALWAYS_SOFTWARE=1",
        ) from error


def _set(program: Any, uniforms: dict[str, Any]) -> None:
    """Compilers drop the uniforms that a shader does not use."""
    for name, value in uniforms.items():
        if name in program:
            program[name].value = value
