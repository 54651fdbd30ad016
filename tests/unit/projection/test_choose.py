import pytest

from spatia.errors import DeviceError, SceneError
from spatia.projection.choose import GLInfo, gl_info, open_projector


def test_an_unknown_name_gets_a_near_miss() -> None:
    with pytest.raises(SceneError, match="did you mean 'numba'"):
        open_projector("nunba")


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_a_projector_is_opened_by_name(name: str) -> None:
    projector = open_projector(name)
    assert projector.name == name
    projector.close()


@pytest.mark.parametrize(
    ("renderer", "software"),
    [("llvmpipe (LLVM 15.0.6, 256 bits)", True), ("softpipe", True), ("NVIDIA GeForce RTX 4090/PCIe/SSE2", False)],
)
def test_a_software_renderer_is_known_by_its_name(renderer: str, software: bool) -> None:
    assert GLInfo(vendor="", renderer=renderer, version="4.5").software is software


@pytest.mark.gl
def test_auto_takes_opengl_only_where_a_gpu_drives_it() -> None:
    try:
        expected = "numba" if gl_info().software else "opengl"
    except DeviceError:
        expected = "numba"
    projector = open_projector("auto")
    assert projector.name == expected
    projector.close()
