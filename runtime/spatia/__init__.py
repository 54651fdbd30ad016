"""spatia: a runtime for generated worlds. `Session` is the way in for programs; `spatia --help` for people."""

from typing import TYPE_CHECKING

from spatia.version import __version__ as __version__

if TYPE_CHECKING:
    from spatia.app.session import Observation as Observation
    from spatia.app.session import Session as Session

_FROM_SESSION = ("Observation", "Session")


def __getattr__(name: str) -> object:
    # numba and pydantic take a second to import; a program that asks for the version should not wait for them.
    if name in _FROM_SESSION:
        from spatia.app import session

        return getattr(session, name)
    raise AttributeError(f"module 'spatia' has no attribute {name!r}")
