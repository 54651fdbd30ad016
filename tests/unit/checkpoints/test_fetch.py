"""Against a hub in memory, with the real errors and the real progress class of huggingface_hub."""

import errno
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spatia.checkpoints.catalogue import known
from spatia.checkpoints.fetch import (
    MARGIN_BYTES,
    RECEIPT,
    Hub,
    Plan,
    accept,
    check_space,
    fetch,
    free_bytes,
    is_accepted,
    open_hub,
    plan_fetch,
)
from spatia.errors import DeviceError, InputError, SpatiaError
from support.fake_hub import EVERYTHING, MAPANYTHING_FILES, REVISION, SPATIA_FILES, FakeHub

hub_errors = pytest.importorskip("huggingface_hub.errors", reason="huggingface_hub is not installed")
SPATIA = known("spatia")


def plan(hub: Hub, folder: Path) -> Plan:
    return plan_fetch(SPATIA, folder, hub)


def response(status: int) -> Any:
    from huggingface_hub.utils import httpx

    return httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co"))


@pytest.mark.parametrize("call", ["model_info", "hf_hub_download"])
def test_the_real_hub_takes_what_we_pass(call: str) -> None:
    wanted = inspect.signature(getattr(Hub, call)).parameters.keys() - {"self"}
    assert wanted <= inspect.signature(getattr(type(open_hub()), call)).parameters.keys()


def test_a_plan_names_the_wanted_files_their_sizes_and_the_revision(tmp_path: Path) -> None:
    made = plan(FakeHub(EVERYTHING), tmp_path)
    assert made.files == (("README.md", 8), ("lora_weights_10000.safetensors", 30), ("step-8500.safetensors", 100))
    assert (made.revision, made.total_bytes, made.missing_bytes) == (REVISION, 138, 138)


def test_what_is_here_is_not_missing(tmp_path: Path) -> None:
    (tmp_path / "step-8500.safetensors").write_bytes(bytes(100))
    (tmp_path / "README.md").write_bytes(b"cut")
    assert plan(FakeHub(EVERYTHING), tmp_path).missing_bytes == 38


def test_an_absent_file_is_an_error_that_lists_what_there_is(tmp_path: Path) -> None:
    files = {"step-9000.safetensors": b"", "lora_weights_10000.safetensors": b"", "\x1b[2Jx": b""}
    with pytest.raises(InputError) as caught:
        plan(FakeHub({SPATIA.repository: files}), tmp_path)
    assert "no *step-8500.safetensors" in caught.value.problem
    assert "step-9000.safetensors" in caught.value.problem
    assert "\x1b" not in caught.value.problem
    assert caught.value.fix.startswith("fetch what you need with: hf download Jinjing713/Spatia")


def test_a_long_listing_is_cut(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="and 70 more"):
        plan(FakeHub({SPATIA.repository: {f"{n:03}": b"" for n in range(100)}}), tmp_path)


@pytest.mark.parametrize(
    "name", ["../step-8500.safetensors", "/etc/step-8500.safetensors", "\x1bstep-8500.safetensors"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        plan(FakeHub({SPATIA.repository: {**SPATIA_FILES, name: b""}}), tmp_path)


def test_another_licence_than_the_one_shown_is_refused(tmp_path: Path) -> None:
    assert plan(FakeHub(EVERYTHING, tags=["license:cc-by-sa-4.0", "video"]), tmp_path)
    with pytest.raises(InputError, match=r"now states the licence mit, not CC-BY-SA-4\.0"):
        plan(FakeHub(EVERYTHING, tags=["license:mit"]), tmp_path)


def test_files_that_do_not_fit_are_refused_before_the_download(tmp_path: Path) -> None:
    plans = [plan(FakeHub(EVERYTHING), tmp_path / "spatia")]
    check_space(plans, tmp_path, free=lambda _: MARGIN_BYTES + 138)
    with pytest.raises(DeviceError, match=r"GB are needed.*\n.*--to"):
        check_space(plans, tmp_path, free=lambda _: MARGIN_BYTES + 137)


def test_what_is_here_needs_no_space(tmp_path: Path) -> None:
    hub = FakeHub(EVERYTHING)
    fetch(plan(hub, tmp_path), hub, lambda name, done: None)
    check_space([plan(hub, tmp_path)], tmp_path, free=lambda _: 0)


def test_free_space_is_that_of_the_disk_that_will_hold_the_folder(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") > 0


def test_an_accepted_licence_is_noted_beside_the_weights(tmp_path: Path) -> None:
    made = plan(FakeHub(EVERYTHING), tmp_path / "spatia")
    assert not is_accepted(made)
    accept(made)
    assert is_accepted(made)
    assert json.loads((tmp_path / "spatia" / RECEIPT).read_text()) == {
        "licence": "CC-BY-SA-4.0",
        "repository": "Jinjing713/Spatia",
        "revision": REVISION,
    }


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"licence": "Apache-2.0", "repository": "Jinjing713/Spatia"}', "\xff"]
)
def test_another_note_accepts_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / RECEIPT).write_bytes(text.encode("latin-1"))
    assert not is_accepted(plan(FakeHub(EVERYTHING), tmp_path))


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"):
        accept(plan(FakeHub(EVERYTHING), tmp_path / "file" / "spatia"))


def test_every_wanted_file_arrives_and_progress_ends_at_the_total(tmp_path: Path) -> None:
    hub, heard = FakeHub(EVERYTHING), list[tuple[str, int]]()
    fetch(plan(hub, tmp_path), hub, lambda name, done: heard.append((name, done)))
    assert hub.asked == ["README.md", "lora_weights_10000.safetensors", "step-8500.safetensors"]
    assert (tmp_path / "step-8500.safetensors").stat().st_size == 100
    assert ("step-8500.safetensors", 88) in heard  # half of it
    assert heard[-1] == ("step-8500.safetensors", 138)
    assert [done for _, done in heard] == sorted(done for _, done in heard)


def test_the_progress_of_a_file_that_is_here_is_told_at_once(tmp_path: Path) -> None:
    hub, heard = FakeHub(EVERYTHING), list[int]()
    fetch(plan(hub, tmp_path), hub, lambda name, done: None)
    fetch(plan(hub, tmp_path), hub, lambda name, done: heard.append(done))
    assert heard == [0, 8, 8, 38, 38, 138]


def test_an_interrupt_keeps_the_whole_files_and_the_next_try_goes_on(tmp_path: Path) -> None:
    hub = FakeHub(EVERYTHING, failure=KeyboardInterrupt(), fails_at="step-8500.safetensors")
    with pytest.raises(KeyboardInterrupt):
        fetch(plan(hub, tmp_path), hub, lambda name, done: None)
    assert plan(FakeHub(EVERYTHING), tmp_path).missing_bytes == 100


def failures() -> Iterator[Any]:
    from huggingface_hub.utils import httpx

    def lost() -> Exception:
        error = hub_errors.LocalEntryNotFoundError("An error happened")
        error.__cause__ = httpx.ConnectError("no route to host\nsee elsewhere")
        return error  # type: ignore[no-any-return]  # huggingface_hub is not followed

    def http(kind: str, status: int) -> Exception:
        return getattr(hub_errors, kind)("message", response=response(status))  # type: ignore[no-any-return]

    device, bad_input = DeviceError, InputError
    yield pytest.param(hub_errors.OfflineModeIsEnabled("off"), device, "HF_HUB_OFFLINE", id="offline")
    yield pytest.param(http("RepositoryNotFoundError", 404), bad_input, "no such repository", id="404")
    yield pytest.param(http("RepositoryNotFoundError", 401), bad_input, "no such repository", id="401-no-repository")
    yield pytest.param(http("HfHubHTTPError", 404), bad_input, "no such repository", id="404-of-a-mirror")
    yield pytest.param(http("HfHubHTTPError", 401), bad_input, "refused.*401.*\n.*HF_TOKEN", id="401-bad-token")
    yield pytest.param(http("GatedRepoError", 403), bad_input, "asked first.*\n.*hf auth login", id="gated")
    yield pytest.param(http("HfHubHTTPError", 503), device, "HTTP 503.*\n.*later", id="503")
    yield pytest.param(lost(), device, "no route to host\n.*HF_ENDPOINT", id="lost")
    yield pytest.param(httpx.ConnectError("refused"), device, "failed: refused", id="refused")
    yield pytest.param(httpx.ReadTimeout("timed out"), device, "failed: timed out", id="timeout")
    yield pytest.param(RuntimeError("of Xet"), device, "failed: of Xet", id="xet")
    yield pytest.param(OSError("other size"), device, "other size", id="size")
    yield pytest.param(OSError(errno.ENOSPC, "No space left"), device, "the disk is full", id="full")
    yield pytest.param(OSError(errno.EROFS, "Read-only"), bad_input, "cannot be written: Read-only", id="read-only")


@pytest.mark.parametrize("stage", ["model_info", "README.md"])
@pytest.mark.parametrize(("failure", "kind", "words"), list(failures()))
def test_what_the_hub_raises_becomes_an_error_with_a_fix(
    tmp_path: Path, failure: Exception, kind: type[SpatiaError], words: str, stage: str
) -> None:
    hub = FakeHub(EVERYTHING, failure=failure, fails_at=stage)
    with pytest.raises(kind, match=words) as caught:
        fetch(plan(hub, tmp_path), hub, lambda name, done: None)
    assert caught.value.where
    assert caught.value.fix


def test_our_own_mistakes_stay_what_they_are(tmp_path: Path) -> None:
    hub = FakeHub(EVERYTHING, failure=TypeError("a mistake"), fails_at="README.md")
    with pytest.raises(TypeError):
        fetch(plan(hub, tmp_path), hub, lambda name, done: None)


def test_the_twin_under_another_licence_is_its_own_folder(tmp_path: Path) -> None:
    twin = known("mapanything-apache")
    made = plan_fetch(twin, tmp_path / twin.name, FakeHub({twin.repository: MAPANYTHING_FILES}))
    assert made.folder.name == "mapanything-apache"
