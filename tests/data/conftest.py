import os
from pathlib import Path

import pooch
import pytest
import requests

REAL_DOWNLOADER = pooch.HTTPDownloader


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own: nothing of the user's is read or written."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SNNJAX_CACHE", str(folder))
    return folder


@pytest.fixture
def real_network():
    """Return what downloads unless a test puts something else in its place."""
    return REAL_DOWNLOADER


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Every download fails at once, as without a network; returns the addresses asked for."""
    asked = []

    class Unreachable:
        def __init__(self, **options):
            assert options["timeout"]

        def __call__(self, url, output_file, pooch, check_only=False):
            asked.append(url)
            raise requests.exceptions.ConnectionError("no network\nin two lines")

    monkeypatch.setattr(pooch, "HTTPDownloader", Unreachable)
    return asked


@pytest.fixture
def no_root(monkeypatch):
    monkeypatch.delenv("SNNJAX_DATA", raising=False)


@pytest.fixture
def data_root():
    """The folder of published files; tests that need it are skipped without it."""
    root = os.environ.get("SNNJAX_DATA")
    if not root:
        pytest.skip("needs the published data files: set SNNJAX_DATA to their folder")
    return Path(root)
