"""DataFrames into a file, piece by piece: CSV or Parquet, private, whole or not at all."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from .errors import OptionError
from .values import one_line, shown

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["checked_target", "write_frames"]

_FORMULA = r"[=+\-@\t\r\n＝＋－＠]"
"""What a spreadsheet takes for the beginning of a formula, or skips before one."""


def checked_target(path: str | Path, *, force: bool = False) -> Path:
    """The path to write to, absolute.

    Args:
        path: ends with .csv or .parquet.
        force: whether a file that is there may be replaced.

    Raises:
        OptionError: nothing can or may be written there.
    """
    try:
        target = Path(path).expanduser().absolute()
        nameless = "\0" in os.fsdecode(target)
    except (TypeError, ValueError, RuntimeError):
        nameless = True
    if nameless:
        raise OptionError(f"{shown(path)} is no path of a file")
    if target.suffix.lower() not in _WRITERS:
        raise OptionError(f"cannot export to {shown(path)}: its name must end in .csv or .parquet")
    if os.path.isdir(target):
        raise OptionError(f"cannot export to {shown(path)}: it is a folder; name a file in it")
    if os.path.lexists(target) and not force:
        raise OptionError(
            f"{shown(path)} is there already: take another name, or --force "
            "(force=True) overwrites it"
        )
    return target


def write_frames(target: Path, frames: Iterable[DataFrame], *, force: bool = False) -> int:
    """Write frames of the same columns one below the other, mode 0600; how many rows they had.

    Texts that a spreadsheet would take for a formula get a `'` before them in CSV.

    Args:
        target: as `checked_target` gave it.
        frames: at least one, which may be empty.
        force: whether a file that is there may be replaced.

    Raises:
        OptionError: it cannot be written, or Parquet needs pyarrow; what was there is there still.
    """
    begin = _WRITERS[target.suffix.lower()]
    try:
        with _replacing(target, force) as file:
            add, end = begin(file)
            rows = 0
            for frame in frames:
                add(frame)
                rows += len(frame)
            end()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise OptionError(one_line(f"cannot write {shown(target)}: {why}")) from error
    return rows


@contextmanager
def _replacing(target: Path, force: bool) -> Iterator[BinaryIO]:
    temporary = target.with_name(f".mmai-{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(temporary, flags, 0o600), "wb") as file:
            yield file
        checked_target(target, force=force)  # it may have come meanwhile
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


_Writer = tuple[Callable[[Any], None], Callable[[], None]]
"""Adds a frame; ends the file."""


def _csv(file: BinaryIO) -> _Writer:
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    header = iter([True])

    def add(frame: DataFrame) -> None:
        _defused(frame).to_csv(
            text,
            header=next(header, False),
            index=False,
            lineterminator="\r\n",  # RFC 4180's; a break of either kind in a text is quoted then
            date_format="%Y-%m-%dT%H:%M:%S.%fZ",
        )

    def end() -> None:
        text.flush()
        text.detach()

    return add, end


def _defused(frame: DataFrame) -> DataFrame:
    defused = frame.copy(deep=False)
    for name in map(str, frame.select_dtypes("string").columns):
        column = frame[name]
        defused[name] = column.mask(column.str.match(_FORMULA, na=False), "'" + column)
    return defused


def _parquet(file: BinaryIO) -> _Writer:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise OptionError(
            "Parquet needs pyarrow, which is not installed: run %pip install pyarrow, "
            "or export to a .csv file"
        ) from None
    writers: list[Any] = []

    def add(frame: DataFrame) -> None:
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        if not writers:
            writers.append(parquet.ParquetWriter(file, table.schema))
        writers[0].write_table(table)

    def end() -> None:
        for writer in writers:
            writer.close()

    return add, end


_WRITERS: dict[str, Callable[[BinaryIO], _Writer]] = {".csv": _csv, ".parquet": _parquet}
