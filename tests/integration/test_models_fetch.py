"""`spatia models fetch` with the real huggingface_hub, against a hub on this machine."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")

REPOSITORY = "facebook/map-anything-apache"
REVISION = "5" * 40
FILES = {"README.md": b"# weights", "config.json": b"{}", "model.safetensors": bytes(3 << 20), "teaser.mp4": b"no"}
WAIT_S = 60.0


class Loopback(ThreadingHTTPServer):
    """Answers as huggingface.co does. With `stall` set it stops in the middle of the weights, and says so."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.stall = False
        self.stalled = threading.Event()
        self.released = threading.Event()


class Answer(BaseHTTPRequestHandler):
    server: Loopback

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0].strip("/")
        name = path.removeprefix(f"{REPOSITORY}/resolve/{REVISION}/")
        if path == f"api/models/{REPOSITORY}":
            listed = [{"rfilename": name, "size": len(data)} for name, data in FILES.items()]
            about = {"id": REPOSITORY, "sha": REVISION, "tags": ["license:apache-2.0"], "siblings": listed}
            self.send(json.dumps(about).encode(), with_body=with_body)
        elif name in FILES:
            self.send(FILES[name], with_body=with_body)
        else:
            self.send_error(404)

    def send(self, data: bytes, *, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if not with_body:
            return
        half = len(data) // 2
        self.wfile.write(data[:half])
        if self.server.stall and data is FILES["model.safetensors"]:
            self.server.stalled.set()
            self.server.released.wait(WAIT_S)
            return
        self.wfile.write(data[half:])

    def log_message(self, format: str, *words: object) -> None: ...


@contextmanager
def hub() -> Iterator[Loopback]:
    server = Loopback()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def start_fetch(server: Loopback, name: str, shelf: Path, home: Path, *words: str) -> subprocess.Popen[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    address = f"http://127.0.0.1:{server.server_port}"
    return subprocess.Popen(
        [sys.executable, "-m", "spatia", "models", "fetch", name, "--to", str(shelf), *words],
        env={**kept, "HF_ENDPOINT": address, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_interrupt_ends_at_once_and_the_same_command_goes_on(tmp_path: Path) -> None:
    words = ("mapanything-apache", tmp_path / "models", tmp_path / "home", "--accept-licence", "Apache-2.0")
    folder = tmp_path / "models" / "mapanything-apache"
    with hub() as server:
        server.stall = True
        run = start_fetch(server, *words)
        assert server.stalled.wait(WAIT_S)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=WAIT_S)
        assert run.returncode == 130
        assert "the same command goes on" in errors
        assert "Traceback" not in errors
        assert (folder / "config.json").is_file()
        assert not (folder / "model.safetensors").exists()
        assert not list(folder.rglob("*.incomplete"))

        server.stall = False
        again = start_fetch(server, *words)
        out, errors = again.communicate(timeout=WAIT_S)
        assert (again.returncode, errors) == (0, "")
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert not (folder / "teaser.mp4").exists()
    assert "3 files in" in out


def test_a_repository_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with hub() as server:
        run = start_fetch(server, "sam2", tmp_path / "models", tmp_path / "home")
        _, errors = run.communicate(timeout=WAIT_S)
    assert run.returncode == 2
    assert errors.startswith("spatia: error E200: https://huggingface.co/facebook/sam2.1-hiera-large: there is no such")
    assert "Traceback" not in errors
