"""Which projector to use on this machine. Imports an implementation only when it is asked for."""

from dataclasses import dataclass

from spatia.errors import DeviceError, unknown_name
from spatia.records.projection import Projector

NAMES = ("auto", "numba", "numpy", "opengl")
SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swrast", "swr", "software")


@dataclass(frozen=True, slots=True, kw_only=True)
class GLInfo:
    """What an EGL context says of itself."""

    vendor: str
    renderer: str
    version: str

    @property
    def software(self) -> bool:
        """True where the processor draws: there numba is 10 to 60 times faster."""
        return any(name in self.renderer.lower() for name in SOFTWARE_RENDERERS)


def open_projector(name: str) -> Projector:
    """`auto` is OpenGL where a GPU drives it and numba elsewhere.

    Raises `SceneError` for a name that is none of `NAMES`, and `DeviceError` for ``opengl`` where there is none.
    """
    match name:
        case "auto":
            return open_projector("opengl" if _gpu_drives_gl() else "numba")
        case "numpy":
            from spatia.projection.numpy_reference import NumpyProjector

            return NumpyProjector()
        case "numba":
            from spatia.projection.numba_bands import NumbaProjector

            return NumbaProjector()
        case "opengl":
            from spatia.projection.opengl import OpenGLProjector

            return OpenGLProjector()
        case _:
            raise unknown_name("projector", name, NAMES)


def gl_info() -> GLInfo:
    """Opens a context, asks and closes it. Raises `DeviceError` where none can be made."""
    from spatia.projection.opengl import open_context

    context = open_context()
    with context:
        info = context.info
        found = GLInfo(vendor=info["GL_VENDOR"], renderer=info["GL_RENDERER"], version=info["GL_VERSION"])
    context.release()
    return found


def _gpu_drives_gl() -> bool:
    try:
        return not gl_info().software
    except DeviceError:
        return False
