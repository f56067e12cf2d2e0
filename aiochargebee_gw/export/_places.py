"""Where an export goes: refused, with nothing touched, where it cannot go."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import attrs

from ..errors import RequestError
from ._formats import LEGAL, Format, format_of
from ._journal import is_journal
from ._manifest import Part, is_manifest, recall

__all__ = [
    "Place",
    "check_text",
    "checked_workers",
    "folder_at",
    "journal_of",
    "place_at",
    "recalled",
    "refused",
    "taken",
]

# Of a name's 255 bytes: SQLite puts its own tails behind a journal's.
_LONGEST = 240


@attrs.frozen
class Place:
    """A file to be: its format, the journal that it is made from and the manifest beside it.

    `force` replaces what is there, `resume` goes on with a journal that fits; `keep` leaves the journal behind.
    """

    path: Path
    format: Format
    journal: Path
    manifest: Path
    force: bool
    resume: bool
    keep: bool

    @property
    def tag(self) -> str:
        """What names the unfinished files of whoever has this journal."""
        return hashlib.sha256(os.fsencode(os.path.realpath(self.journal))).hexdigest()[:16]

    def sweep(self) -> None:
        """Take away the unfinished files of earlier runs. Only for who has the journal."""
        for folder in {Path(os.path.realpath(self.path)).parent, self.path.parent, self.manifest.parent}:
            for part in folder.glob(f".*.{self.tag}*.part*"):
                part.unlink(missing_ok=True)


def place_at(
    to: str | os.PathLike[str],
    *,
    force: bool,
    resume: bool,
    journal: str | os.PathLike[str] | None = None,
    manifest: Path | None = None,
) -> Place:
    """The place at *to*. Raises `RequestError` when it cannot be had."""
    path = Path(to)
    place = Place(
        path=path,
        format=format_of(path),
        journal=journal_of(path) if journal is None else Path(journal),
        manifest=_beside(path, ".manifest.json") if manifest is None else manifest,
        force=force,
        resume=resume,
        keep=journal is not None,
    )
    _check_file(place)
    _check_folder(place.journal)
    if place.journal.is_dir() or os.path.realpath(place.journal) in map(os.path.realpath, (path, place.manifest)):
        raise RequestError(f"{place.journal}: the journal must be a file of its own", field="journal")
    if not force and os.path.lexists(place.manifest) and not is_manifest(place.manifest):
        raise refused(f"{place.manifest} exists already and is no manifest; force replaces it")
    return place


def journal_of(to: str | os.PathLike[str]) -> Path:
    """Where the journal of an export to *to* is, unless it is told otherwise."""
    return _beside(Path(to), ".journal")


def folder_at(to: str | os.PathLike[str]) -> Path:
    """A folder for several files; it is made where it is missing. Raises `RequestError`."""
    path = Path(to)
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        raise refused(f"{path} is not a folder") from None
    except OSError as error:
        raise refused(f"{path}: {error.strerror}") from error
    return path


def checked_workers(workers: int) -> int:
    """*workers*, when that is a number of requests. Raises `RequestError`."""
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise RequestError("workers must be a number of requests, 1 or more", field="workers")
    return workers


def taken(place: Place, why: str = "") -> RequestError:
    """The error for a file that is there; *why* tells more of it."""
    return refused(f"{place.path} exists already{why and f', {why}'}; force replaces it")


def recalled(place: Place) -> Part | None:
    """What the manifest tells of the file that is there; nothing of a symlink, whose file may have another one."""
    return None if place.path.is_symlink() else recall(place.path, place.manifest)


def refused(text: str) -> RequestError:
    """The error for a place."""
    return RequestError(text, field="to", legal=LEGAL)


def _beside(path: Path, tail: str) -> Path:
    """*path* with a tail; names have 255 bytes, and may use them up."""
    name = path.name
    if len(os.fsencode(name + tail)) > _LONGEST:
        # What is cut off may be all that tells two names apart.
        tail = f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}{tail}"
        while len(os.fsencode(name + tail)) > _LONGEST:
            name = name[:-1]
    return path.with_name(name + tail)


def _check_file(place: Place) -> None:
    # With force a symlink stays and what it points at is replaced.
    path = Path(os.path.realpath(place.path)) if place.force else place.path
    _check_folder(path, place.path)
    mode = _mode(path, place.path)
    if mode is None:
        return
    if not (stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and not place.force)):
        raise refused(f"{place.path} is not a regular file")
    if not place.force and not (place.resume and (is_journal(place.journal) or recalled(place))):
        raise taken(place)


def check_text(path: Path) -> None:
    """Raise `RequestError` for a name that manifests and databases cannot hold."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise refused(f"{str(path)!a}: the name is not text") from None


def _check_folder(path: Path, shown: Path | None = None) -> None:
    shown = path if shown is None else shown
    check_text(path)
    if not path.parent.is_dir():
        raise refused(f"{shown}: its folder does not exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise refused(f"{shown}: its folder cannot be written to")


def _mode(place: Path, shown: Path) -> int | None:
    """What has the name, a dangling link included; None for nothing."""
    try:
        return os.lstat(place).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise refused(f"{shown}: {error.strerror}") from error
