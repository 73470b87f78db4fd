"""
Samples as a folder of GeoParquet files: what a cluster reads, a file a task.

The folder is on this machine or at any address that fsspec knows (``s3://…``). Here it appears
under its name once it is complete. An object store cannot rename a folder: there a file
`UNFINISHED` is written first and taken away last, and who reads such a folder refuses it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .errors import StoreError
from .store import Store

ROWS_A_FILE = 1_000_000
UNFINISHED = "_unfinished"
_PART = "part-{number:05d}.parquet"

Open = Callable[[str], IO[bytes]]


def export_partitions(
    store: Store,
    target: str,
    *,
    rows_a_file: int = ROWS_A_FILE,
    overwrite: bool = False,
    on_progress: Callable[[int], None] = lambda steps: None,
) -> tuple[int, int]:
    """
    Write every sample to a folder of GeoParquet files; give how many samples, and files.

    Raises
    ------
    StoreError
        If the folder is there and `overwrite` is false, holds anything but such files, or cannot
        be written. What was there before is still there then.
    """
    from .points import write_parts

    folder = _remote if "://" in target else _local
    names = (_PART.format(number=number) for number in range(10**5))
    with folder(target, overwrite) as open_file:
        return write_parts(store, lambda: open_file(next(names)), rows_a_file, on_progress)


@contextmanager
def _local(target: str, overwrite: bool) -> Iterator[Open]:
    """Give a way to open files in a folder that takes its name once it is complete."""
    path = Path(target)
    part = path.with_name(f".{path.name[:100]}.{os.getpid()}.part")
    old = part.with_suffix(".old")
    if path.exists():
        names = None if path.is_file() else [each.name for each in path.iterdir()]
        _refuse(target, names, overwrite)
    try:
        part.mkdir()
        yield lambda name: (part / name).open("xb")
        for file in part.iterdir():
            with file.open("rb+") as written:
                os.fsync(written.fileno())
        if path.exists():
            path.rename(old)
        part.rename(path)
    except OSError as error:
        if old.exists() and not path.exists():
            old.rename(path)
        raise _cannot_write(target, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _remote(target: str, overwrite: bool) -> Iterator[Open]:
    """Give a way to open files at an address; what was written is taken away if it fails."""
    import fsspec  # type: ignore[import-untyped]

    try:
        system, path = fsspec.core.url_to_fs(target)
        there = system.find(path) if system.exists(path) else []
        _refuse(target, [name.rsplit("/", 1)[-1] for name in there], overwrite)
        marker = f"{path}/{UNFINISHED}"
        system.makedirs(path, exist_ok=True)
        system.pipe_file(marker, b"an export to this folder has not finished\n")
    except (OSError, ValueError, ImportError) as error:
        raise _cannot_write(target, error) from error
    written: list[str] = []

    def open_file(name: str) -> Any:
        written.append(f"{path}/{name}")
        return system.open(written[-1], "wb")

    try:
        yield open_file
        for name in sorted(set(there) - set(written) - {marker}):
            system.rm_file(name)
        system.rm_file(marker)
    except BaseException as error:
        # With `overwrite` the old files may be gone: then the mark stays, and readers refuse.
        for name in written:
            if system.exists(name):
                system.rm_file(name)
        if not there:
            system.rm_file(marker)
        if isinstance(error, OSError):
            raise _cannot_write(target, error) from error
        raise


def _refuse(target: str, names: list[str] | None, overwrite: bool) -> None:
    if names is None:
        raise StoreError("{file} is a file; name a folder for --partition", file=target)
    strange = [name for name in names if not _is_ours(name)]
    if strange:
        raise StoreError(
            "{file} holds other files, such as {name}; name another folder",
            file=target,
            name=min(strange),
        )
    if names and not overwrite:
        raise StoreError(
            "{file} is there already; choose another name, or --overwrite", file=target
        )


def _is_ours(name: str) -> bool:
    middle = name.removeprefix("part-").removesuffix(".parquet")
    return name == UNFINISHED or (name == f"part-{middle}.parquet" and middle.isdecimal())


def _cannot_write(target: str, error: Exception) -> StoreError:
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return StoreError("cannot write {file}: {error}", file=target, error=why[:200])
