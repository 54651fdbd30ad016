"""The program that a process worker starts: builds the generator that its parent names and serves it."""

from spatia.app.registry import build_generator
from spatia.generation.child import serve_standard_streams

if __name__ == "__main__":
    serve_standard_streams(build_generator)
