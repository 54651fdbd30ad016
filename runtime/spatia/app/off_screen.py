"""What a window would show, drawn where there is none: into a texture of an EGL context of its own. One thread."""

import numpy as np

from spatia.projection.opengl import open_context
from spatia.records.arrays import U8
from spatia.render.renderer import Renderer
from spatia.render.view import Drawn, View


class OffScreen:
    """A painter. Raises `DeviceError` where EGL gives no OpenGL 4.3."""

    def __init__(self, size_px: tuple[int, int]) -> None:
        self.size_px = size_px
        self._context = open_context()
        with self._context:
            self._texture = self._context.texture(size_px, 4)
            self._target = self._context.framebuffer([self._texture])
            self._renderer = Renderer(self._context)

    def draw(self, view: View, *, size_px: tuple[int, int]) -> Drawn:
        with self._context:
            self._target.use()
            return self._renderer.draw(view, size_px=size_px)

    def finish(self) -> None:
        """Wait until all is drawn."""
        with self._context:
            self._context.finish()

    def read_pixels(self, *, size_px: tuple[int, int]) -> U8:
        """What was drawn last, top row first."""
        with self._context:
            data = self._target.read(components=3, alignment=1)
        return np.frombuffer(data, np.uint8).reshape(size_px[1], size_px[0], 3)[::-1]

    def close(self) -> None:
        with self._context:
            self._renderer.release()
            self._target.release()
            self._texture.release()
        self._context.release()
