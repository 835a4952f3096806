"""The source code of this package as a digest, so that results and programs know what made them."""

import hashlib
from functools import cache
from pathlib import Path


@cache
def package_digest() -> str:
    """Return the SHA-256 digest of every module of the package, in hexadecimal digits."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return digest.hexdigest()
