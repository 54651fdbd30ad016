"""A window on the desktop: an OpenGL 4.3 context to draw with, and what happens to its devices. Main thread only.

GLFW's callbacks append to a queue and do nothing else; `poll` drains it in order. One window a process at a time, since
GLFW itself is one a process.
"""

from collections import deque
from types import TracebackType
from typing import Any, Final, Self

import moderngl

from spatia.errors import DeviceError
from spatia.input.bindings import KEYBOARD, MOUSE_BUTTONS, PAD_BUTTONS, Bindings
from spatia.input.devices import (
    Character,
    CloseAsked,
    Devices,
    Event,
    Focused,
    KeyDown,
    KeyUp,
    PadFound,
    PadLost,
    PadState,
    PointerCaptured,
    PointerMoved,
    Resized,
    Scrolled,
)
from spatia.records.input import InputSnapshot

try:
    import glfw
except ImportError as error:  # the shared library, not the package
    raise DeviceError(
        f"cannot load GLFW: {error}", fix="pip install --force-reinstall glfw; `spatia run` works without a window"
    ) from error

MAX_SIDE_PX = 16_384
NO_DISPLAY_FIX = (
    "set DISPLAY or WAYLAND_DISPLAY to a running desktop; without one `spatia run` makes the clips of a scene, and "
    "`spatia replay RUN --record out.mp4` films a walk that was recorded"
)
NO_OPENGL_FIX = (
    "install a driver with OpenGL 4.3 (apt-get install libgl1-mesa-dri for the one in software); see `spatia doctor`"
)

_KEY_NAMES: Final = {getattr(glfw, f"KEY_{name.upper()}"): name for name in KEYBOARD}


class Window:
    """Raises `DeviceError` where there is no display, or no OpenGL 4.3 core profile."""

    def __init__(
        self, title: str, size: tuple[int, int], *, bindings: Bindings | None = None, visible: bool = True
    ) -> None:
        if not all(0 < side <= MAX_SIDE_PX for side in size):
            raise ValueError(f"size must be within 1..{MAX_SIDE_PX}; got {size}")
        self._queue: deque[Event] = deque()
        self._complaints: deque[str] = deque(maxlen=8)
        self._devices = Devices(bindings or Bindings.of())
        self._pads: dict[int, str] = {}
        glfw.set_error_callback(lambda code, text: self._complaints.append(_text(text)))
        if not glfw.init():
            raise DeviceError(f"no display to open a window on: {self._complaint()}", fix=NO_DISPLAY_FIX)
        try:
            self._handle = self._open(title, size, visible)
            self.context = self._make_context()
        except DeviceError:
            glfw.terminate()
            raise
        self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def poll(self) -> InputSnapshot:
        """What happened since the last call."""
        glfw.poll_events()
        self._poll_pads()
        events = tuple(self._queue)
        self._queue.clear()
        return self._devices.take(events)

    def swap(self) -> None:
        """Show what was drawn; waits for the screen where it has a rhythm."""
        glfw.swap_buffers(self._handle)

    @property
    def should_close(self) -> bool:
        return bool(glfw.window_should_close(self._handle))

    @property
    def size_px(self) -> tuple[int, int]:
        """Of the framebuffer; (0, 0) while minimised on some desktops."""
        width_px, height_px = glfw.get_framebuffer_size(self._handle)
        return int(width_px), int(height_px)

    def capture_mouse(self, captured: bool) -> None:
        """Hide the pointer and let it move without end, unaccelerated where the desktop can; or set it free."""
        glfw.set_input_mode(self._handle, glfw.CURSOR, glfw.CURSOR_DISABLED if captured else glfw.CURSOR_NORMAL)
        if glfw.raw_mouse_motion_supported():
            glfw.set_input_mode(self._handle, glfw.RAW_MOUSE_MOTION, captured)
        self._queue.append(PointerCaptured(captured))

    def add_gamepads(self, mappings: tuple[str, ...]) -> None:
        """Know more gamepads, or known ones otherwise. `gamepad_mappings.read_mappings` reads and checks a file."""
        glfw.update_gamepad_mappings("\n".join(mappings))

    def close(self) -> None:
        """Release what was made with the context before this. A second call does nothing."""
        if self._handle is not None:
            self.context.release()
            glfw.destroy_window(self._handle)
            self._handle = None
            glfw.terminate()

    def _open(self, title: str, size: tuple[int, int], visible: bool) -> Any:
        hints = {
            glfw.CLIENT_API: glfw.OPENGL_API,
            glfw.CONTEXT_VERSION_MAJOR: 4,
            glfw.CONTEXT_VERSION_MINOR: 3,
            glfw.OPENGL_PROFILE: glfw.OPENGL_CORE_PROFILE,
            glfw.OPENGL_FORWARD_COMPAT: True,
            glfw.VISIBLE: visible,
            glfw.SCALE_TO_MONITOR: True,
            glfw.AUTO_ICONIFY: False,
        }
        for hint, value in hints.items():
            glfw.window_hint(hint, value)
        handle = glfw.create_window(*size, title, None, None)
        if not handle:
            raise DeviceError(f"no window with OpenGL 4.3: {self._complaint()}", fix=NO_OPENGL_FIX)
        return handle

    def _make_context(self) -> Any:
        glfw.make_context_current(self._handle)
        glfw.swap_interval(1)
        current: Any = _CurrentContext()
        try:
            return moderngl.create_context(require=430, context=current)
        except Exception as error:  # moderngl raises bare Exception for every cause
            raise DeviceError(f"no OpenGL 4.3: {error}", fix=NO_OPENGL_FIX) from error

    def _listen(self) -> None:
        put, handle = self._queue.append, self._handle
        glfw.set_key_callback(handle, lambda _, key, code, action, mods: self._on_key(_KEY_NAMES.get(key), action))
        glfw.set_mouse_button_callback(
            handle, lambda _, button, action, mods: self._on_key(MOUSE_BUTTONS[button], action)
        )
        glfw.set_char_callback(handle, lambda _, point: put(Character(chr(point))))
        glfw.set_cursor_pos_callback(handle, lambda _, x, y: put(PointerMoved(x, y)))
        glfw.set_scroll_callback(handle, lambda _, x, y: put(Scrolled(y)))
        glfw.set_window_focus_callback(handle, lambda _, focused: put(Focused(bool(focused))))
        glfw.set_framebuffer_size_callback(handle, lambda _, width, height: self._on_resize())
        glfw.set_window_close_callback(handle, lambda _: put(CloseAsked()))
        self._on_resize()

    def _on_key(self, key: str | None, action: int) -> None:
        if key is not None:
            self._queue.append(KeyUp(key) if action == glfw.RELEASE else KeyDown(key, action == glfw.REPEAT))

    def _on_resize(self) -> None:
        width_px, height_px = self.size_px
        width, height = glfw.get_window_size(self._handle)
        scale = (width_px / width, height_px / height) if width and height else (0.0, 0.0)
        self._queue.append(Resized((width_px, height_px), scale))

    def _poll_pads(self) -> None:
        """The first gamepad leads; GLFW has no events for them."""
        for joystick in range(glfw.JOYSTICK_LAST + 1):
            present = glfw.joystick_present(joystick) and glfw.joystick_is_gamepad(joystick)
            if present and joystick not in self._pads:
                self._pads[joystick] = _text(glfw.get_gamepad_name(joystick))
                self._queue.append(PadFound(self._pads[joystick]))
            elif not present and joystick in self._pads:
                self._queue.append(PadLost(self._pads.pop(joystick)))
        if self._pads and (state := glfw.get_gamepad_state(min(self._pads))):
            buttons = tuple(bool(state.buttons[n]) for n in range(len(PAD_BUTTONS)))
            self._queue.append(PadState(buttons, tuple(float(state.axes[n]) for n in range(6))))

    def _complaint(self) -> str:
        return "; ".join(self._complaints) or "GLFW does not say why"


class _CurrentContext:
    """The context that GLFW made current, as moderngl wants it: the same on X11, on Wayland, and on EGL."""

    def load_opengl_function(self, name: str) -> int:
        return int(glfw.get_proc_address(name) or 0)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def release(self) -> None:
        pass


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
