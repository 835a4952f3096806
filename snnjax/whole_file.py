"""Files that are there whole or not at all."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file, text as UTF-8, beside its place and move it there.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    # Two machines may count their processes alike.
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
