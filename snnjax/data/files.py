"""Finding the published files, checking them, and fetching what is missing.

Folders are searched in the order: the configured root, `$SNNJAX_DATA`, the user's cache folder.
"""

import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import platformdirs

from snnjax.config.rules.data import no_such_folder
from snnjax.data.catalog import DataError

ROOT_VARIABLE = "SNNJAX_DATA"
CACHE_VARIABLE = "SNNJAX_CACHE"
# seconds to connect, seconds between two packets
TIMEOUT = (5.0, 30.0)


class Source(NamedTuple):
    """A published file.

    Attributes:
        paths: Where it may lie below a root, best first; a download goes to the first.
        url: Its official home.
        checksum: `md5:...` or `sha256:...` of a download; None for a zip file whose members
            are checked instead.
    """

    paths: tuple[str, ...]
    url: str
    checksum: str | None

    @property
    def name(self) -> str:
        """The official file name."""
        return self.url.rsplit("/", 1)[-1]


def cache_folder() -> Path:
    """Return `$SNNJAX_CACHE`, or the user's cache folder of this package; it need not exist."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("snnjax"))


def roots(root: str | None) -> Iterator[Path]:
    """Yield the folders to search, best first.

    Args:
        root: `data.root` of the configuration.

    Raises:
        DataError: A folder named by the user does not exist (raised when its turn comes).
    """
    for origin, chosen in (("data.root", root), (ROOT_VARIABLE, os.environ.get(ROOT_VARIABLE))):
        if not chosen:
            continue
        if problem := no_such_folder(origin, chosen):
            raise DataError(problem)
        yield Path(chosen).expanduser()
    yield cache_folder() / "data"


def find(source: Source, root: str | None) -> Path | None:
    """Return where a file lies, or None if no folder has it.

    Raises:
        DataError: See `roots`.
    """
    candidates = (folder / path for folder in roots(root) for path in source.paths)
    return next((path for path in candidates if os.path.isfile(path)), None)


def locate(source: Source, root: str | None) -> Path:
    """Return where a file lies, after downloading it into the cache folder if need be.

    Raises:
        DataError: It is nowhere and cannot be downloaded; the message says where to put it.
    """
    return find(source, root) or download(source, next(roots(root)))


def download(source: Source, advised: Path) -> Path:
    """Fetch a file from its home into the cache folder.

    Pooch writes to a temporary file beside the target and moves it over once its checksum is
    right, so that processes fetching the same file at once only do the work twice.

    Args:
        source: The file.
        advised: Root named in the error as the place to put the file.

    Raises:
        DataError: No network, a wrong checksum, or a cache folder that cannot be written.
    """
    import pooch
    from requests.exceptions import HTTPError, RequestException

    transfer = pooch.HTTPDownloader(timeout=TIMEOUT)

    def fetch(url: str, output: str, owner: object) -> None:
        transfer(url, output, owner)
        if source.checksum is None and not zipfile.is_zipfile(output):
            raise ValueError("what came is not a complete zip file")

    target = cache_folder() / "data" / source.paths[0]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(
            source.url,
            known_hash=source.checksum,
            fname=target.name,
            path=target.parent,
            downloader=fetch,
        )
    except (RequestException, OSError, ValueError) as error:
        tells = isinstance(error, ValueError | HTTPError)  # others tell of sockets and retries
        reason = f"{type(error).__name__}: {error}" if tells else type(error).__name__
        raise DataError(
            f"{source.name} was not found and could not be downloaded "
            f"({_one_line(reason)}); get it from {source.url} "
            f"and put it in {(advised / source.paths[0]).parent}"
        ) from None
    return target


def read_checked(path: Path, sha256: str, others: Mapping[str, str]) -> bytes:
    """Read a whole file and check it before anybody looks inside.

    Args:
        path: The file.
        sha256: Hex digest it must have.
        others: Name by digest of files it may have been mistaken for.

    Raises:
        DataError: It is another file, or damaged.
    """
    content = read_bytes(path)
    found = hashlib.sha256(content).hexdigest()
    if found == sha256:
        return content
    mistaken = f", which is {others[found]}" if found in others else f" ({len(content)} bytes)"
    raise DataError(
        f"{path} is not the published file: expected sha256 {sha256}, found {found}{mistaken}"
    )


def read_bytes(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _one_line(text: str) -> str:
    return " ".join(text.split())
