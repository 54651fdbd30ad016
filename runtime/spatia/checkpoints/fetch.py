"""Fetches weights from huggingface.co: what there is, whether it fits, under which licence, and then the files.

File by file on the calling thread, through `hf_hub_download`: an interrupt then ends the file in the making at once,
where `snapshot_download`'s threads would first finish theirs. Files that are whole stay, so that the next try goes on
after them. Proxy, mirror, token, Xet and telemetry are as the user's environment sets them for huggingface_hub.
"""

import errno
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from spatia.checkpoints.catalogue import INSTALL_MODELS, Model
from spatia.errors import DeviceError, InputError

RECEIPT = "licence-accepted.json"
TIMEOUT_S = 30.0
MARGIN_BYTES = 1 << 30  # that a download leaves free
_LISTED = 30  # files of a repository named in an error


class RemoteFile(Protocol):
    @property
    def rfilename(self) -> str: ...
    @property
    def size(self) -> int | None: ...


class RemoteModel(Protocol):
    @property
    def sha(self) -> str | None: ...
    @property
    def tags(self) -> Sequence[str] | None: ...
    @property
    def siblings(self) -> Sequence[RemoteFile] | None: ...


class Hub(Protocol):
    """The two calls that are made of `huggingface_hub.HfApi`."""

    def model_info(self, repo_id: str, *, files_metadata: bool, timeout: float) -> RemoteModel: ...

    def hf_hub_download(
        self, repo_id: str, filename: str, *, revision: str, local_dir: Path, etag_timeout: float, tqdm_class: type[Any]
    ) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One model's files at one revision, and where they go."""

    model: Model
    folder: Path
    revision: str
    files: tuple[tuple[str, int], ...]  # name and bytes

    @property
    def total_bytes(self) -> int:
        return sum(size for _, size in self.files)

    @property
    def missing_bytes(self) -> int:
        return sum(size for name, size in self.files if not _is_here(self.folder / name, size))


def _is_here(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def open_hub() -> Hub:
    """Raises `DeviceError` where huggingface_hub is not installed."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise DeviceError(f"fetching needs huggingface_hub: {error}", fix=INSTALL_MODELS) from error
    hub: Hub = HfApi()
    return hub


def plan_fetch(model: Model, folder: Path, hub: Hub) -> Plan:
    """Asks the hub which files there are; downloads nothing.

    Raises `InputError` where the repository is not to be had, lacks a file or has another licence than the catalogue
    says, and `DeviceError` without a network.
    """
    with _typed_errors(model, folder):
        remote = hub.model_info(model.repository, files_metadata=True, timeout=TIMEOUT_S)
    sizes = {file.rfilename: file.size or 0 for file in remote.siblings or ()}
    _check_licence(model, remote.tags or (), folder)
    lacking = model.lacking(sizes)
    if lacking:
        names = [name if name.isprintable() else ascii(name) for name in sorted(sizes)]
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        raise InputError(
            f"the repository has no {', '.join(lacking)}; it holds: {', '.join(names[:_LISTED]) or 'nothing'}{more}",
            where=model.url,
            fix=f"fetch what you need with: hf download {model.repository} --local-dir {folder}",
        )
    files = model.wanted(sizes)
    for name in files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or not name.isprintable():
            raise InputError(
                f"a file's name cannot be used: {name!a}", where=model.url, fix="is HF_ENDPOINT as it should be?"
            )
    return Plan(
        model=model, folder=folder, revision=remote.sha or "main", files=tuple((name, sizes[name]) for name in files)
    )


def _check_licence(model: Model, tags: Sequence[str], folder: Path) -> None:
    stated = [tag.removeprefix("license:") for tag in tags if tag.startswith("license:")]
    if stated and model.licence.id.lower() not in stated:
        raise InputError(
            f"the repository now states the licence {', '.join(stated)}, not {model.licence.id}",
            where=model.url,
            fix=f"read it there; if it suits you: hf download {model.repository} --local-dir {folder}",
        )


def free_bytes(folder: Path) -> int:
    """On the disk that would hold a folder that need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_space(plans: Sequence[Plan], root: Path, *, free: Callable[[Path], int] = free_bytes) -> None:
    """Raises `DeviceError` where the files that are not here yet would not fit."""
    missing, available = sum(plan.missing_bytes for plan in plans), free(root.resolve())
    if missing and missing + MARGIN_BYTES > available:
        raise DeviceError(
            f"{(missing + MARGIN_BYTES) / 1e9:.1f} GB are needed, {available / 1e9:.1f} GB are free",
            where=str(root),
            fix="free some space, or name a folder on another disk with --to",
        )


def is_accepted(plan: Plan) -> bool:
    """Whether the licence was accepted before, for this repository."""
    try:
        receipt = json.loads((plan.folder / RECEIPT).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(receipt, dict) and (receipt.get("licence"), receipt.get("repository")) == (
        plan.model.licence.id,
        plan.model.repository,
    )


def accept(plan: Plan) -> None:
    """Notes beside the weights under which licence they were taken, and which revision."""
    receipt = {"licence": plan.model.licence.id, "repository": plan.model.repository, "revision": plan.revision}
    with _typed_errors(plan.model, plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
        (plan.folder / RECEIPT).write_text(json.dumps(receipt, indent=2) + "\n", encoding="utf-8")


def fetch(plan: Plan, hub: Hub, report: Callable[[str, int], None]) -> None:
    """Downloads what is not here yet; `report` hears the file and how many bytes of the plan are here.

    Raises as `plan_fetch`, and `DeviceError` for a disk that is full.
    """
    done = 0
    for name, size in plan.files:
        arrived = done

        def advance(count: int, name: str = name) -> None:
            nonlocal arrived
            arrived += count
            report(name, arrived)

        report(name, done)
        with _typed_errors(plan.model, plan.folder):
            hub.hf_hub_download(
                plan.model.repository,
                name,
                revision=plan.revision,
                local_dir=plan.folder,
                etag_timeout=TIMEOUT_S,
                tqdm_class=_progress(advance),
            )
        done += size
        report(name, done)


def _progress(advance: Callable[[int], None]) -> type[Any]:
    """A progress bar to huggingface_hub, which draws nothing and passes on what is written to the disk."""
    from huggingface_hub.utils import tqdm

    class Bytes(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            advance(int(n or 0))

        # Xet tells of the transfer apart from what is written; a bar without these two would be drawn beside this one.
        def update_transfer(self, n: float | None = 1) -> None: ...

        def set_transfer_postfix_str(self, postfix: str, refresh: bool = False) -> None: ...

    return Bytes


@contextmanager
def _typed_errors(model: Model, folder: Path) -> Iterator[None]:
    """What can go wrong between here and the hub, each with what to do."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )
    from huggingface_hub.utils import httpx

    again = "check the connection (proxy: HTTPS_PROXY, mirror: HF_ENDPOINT) and try again; files that are whole stay"
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise DeviceError(
            "nothing can be fetched while HF_HUB_OFFLINE is set",
            where=model.url,
            fix=f"unset HF_HUB_OFFLINE, or copy the files into {folder}",
        ) from error
    except GatedRepoError as error:
        raise InputError(
            "its owners want to be asked first",
            where=model.url,
            fix="accept their terms on that page, then `hf auth login`, then try again",
        ) from error
    except LocalEntryNotFoundError as error:  # the hub's word for a connection that is lost between files
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise DeviceError(f"the connection failed: {reason}", where=model.url, fix=again) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status == 404 or isinstance(error, RepositoryNotFoundError):  # 401 for what is private and what is not there
            raise InputError(
                "there is no such repository, or it is private",
                where=model.url,
                fix="look at that page; where you may see it, `hf auth login` and try again",
            ) from error
        if status in (401, 403):
            raise InputError(
                f"the hub refused (HTTP {status})", where=model.url, fix="`hf auth login` anew, or unset HF_TOKEN"
            ) from error
        raise DeviceError(f"the hub answered HTTP {status}", where=model.url, fix="try again later") from error
    except httpx.HTTPError as error:
        raise DeviceError(f"the connection failed: {error}", where=model.url, fix=again) from error
    except (ConnectionError, RuntimeError) as error:  # of these Xet makes use
        raise DeviceError(f"the connection failed: {error}", where=model.url, fix=again) from error
    except OSError as error:
        if error.errno is None:  # a file that arrived with another size
            raise DeviceError(f"the download failed: {error}", where=model.url, fix=again) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DeviceError("the disk is full", where=str(folder), fix="free some space and try again") from error
        raise InputError(
            f"cannot be written: {error.strerror or error}", where=str(folder), fix="name another folder with --to"
        ) from error
