import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

from snnjax.data import files
from snnjax.data.catalog import DataError
from snnjax.data.files import Source

CONTENT = b"published"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SOURCE = Source(("set/a.bin", "a.bin"), "http://snnjax.invalid/a.bin", f"sha256:{SHA256}")


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def server(monkeypatch):
    """Make downloads succeed; returns the content served."""
    served = {"content": CONTENT, "times": 0}

    class Server:
        def __init__(self, **options):
            pass

        def __call__(self, url, output_file, pooch, check_only=False):
            served["times"] += 1
            time.sleep(0.1)
            Path(output_file).write_bytes(served["content"])

    monkeypatch.setattr(pooch, "HTTPDownloader", Server)
    return served


def test_order_of_roots(tmp_path, cache, monkeypatch):
    configured, variable = tmp_path / "configured", tmp_path / "variable"
    monkeypatch.setenv("SNNJAX_DATA", str(variable))
    places = [configured / "set/a.bin", configured / "a.bin", variable / "a.bin"]
    places.append(cache / "data/set/a.bin")
    for path in places:
        put(path)
    for path in places:
        assert files.locate(SOURCE, str(configured)) == path
        path.unlink()
    assert files.find(SOURCE, str(configured)) is None


def test_tilde_in_root(tmp_path, no_root, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.locate(SOURCE, str(put(tmp_path / "d/a.bin").parent)) == tmp_path / "d/a.bin"
    assert files.locate(SOURCE, "~/d") == tmp_path / "d/a.bin"


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_root_that_is_no_folder(tmp_path, monkeypatch, kind):
    root = tmp_path / kind
    if kind == "file":
        put(root)
    with pytest.raises(DataError, match=rf"data\.root={root}: is not an existing folder"):
        files.locate(SOURCE, str(root))
    monkeypatch.setenv("SNNJAX_DATA", str(root))
    with pytest.raises(DataError, match=rf"SNNJAX_DATA={root}: is not an existing folder"):
        files.locate(SOURCE, None)


def test_without_a_network_the_error_says_what_to_do(tmp_path, cache, no_root, offline):
    with pytest.raises(DataError) as raised:
        files.locate(SOURCE, None)
    assert str(raised.value) == (
        "a.bin was not found and could not be downloaded (ConnectionError); "
        f"get it from http://snnjax.invalid/a.bin and put it in {cache / 'data/set'}"
    )
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert offline == ["http://snnjax.invalid/a.bin"]
    with pytest.raises(DataError, match=f"put it in {tmp_path / 'set'}$"):
        files.locate(SOURCE, str(tmp_path))


def test_a_real_attempt_fails_fast(monkeypatch, no_root, real_network):
    monkeypatch.setattr(pooch, "HTTPDownloader", real_network)
    start = time.monotonic()
    with pytest.raises(DataError, match="could not be downloaded"):
        files.locate(SOURCE, None)
    assert time.monotonic() - start < 10


class Home(BaseHTTPRequestHandler):
    """A server of one good file, one file cut short and one page that says sorry."""

    def do_GET(self):
        page = b"<html>sign in</html>"
        status, body = {
            "/a.bin": (200, CONTENT),
            "/cut.bin": (200, CONTENT[:-1]),
            "/page.zip": (200, page),
        }.get(self.path, (404, page))
        self.send_response(status)
        self.send_header("Content-Length", str(len(CONTENT) if "cut" in self.path else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def home(monkeypatch, real_network):
    monkeypatch.setattr(pooch, "HTTPDownloader", real_network)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Home) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_download_over_http(cache, no_root, home):
    source = SOURCE._replace(url=f"{home}/a.bin")
    assert files.locate(source, None).read_bytes() == CONTENT


@pytest.mark.parametrize("file", ["cut.bin", "gone.bin", "page.zip"])
def test_bad_answers_over_http(cache, no_root, home, file):
    checksum = None if file == "page.zip" else SOURCE.checksum
    source = Source((f"set/{file}",), f"{home}/{file}", checksum)
    with pytest.raises(DataError, match=rf"^{file} was not found and could not be downloaded") as e:
        files.locate(source, None)
    assert "\n" not in str(e.value)
    assert list((cache / "data/set").iterdir()) == []


def test_download_is_kept(cache, no_root, server):
    for _ in range(2):
        path = files.locate(SOURCE, None)
        assert path == cache / "data/set/a.bin"
        assert path.read_bytes() == CONTENT
    assert server["times"] == 1


def test_wrong_download_is_refused_and_removed(cache, no_root, server):
    server["content"] = b"sign in to the hotel network"
    with pytest.raises(DataError, match=r"a\.bin .*ValueError: .*hash") as raised:
        files.locate(SOURCE, None)
    assert "\n" not in str(raised.value)
    assert list((cache / "data/set").iterdir()) == []


def test_downloads_at_once(cache, no_root, server):
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: files.locate(SOURCE, None), range(4)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert [path.name for path in (cache / "data/set").iterdir()] == ["a.bin"]


def test_cache_folder_that_cannot_be_made(tmp_path, monkeypatch, no_root, server):
    monkeypatch.setenv("SNNJAX_CACHE", str(put(tmp_path / "file") / "below"))
    with pytest.raises(DataError, match="could not be downloaded"):
        files.locate(SOURCE, None)


def test_read_checked(tmp_path):
    path = put(tmp_path / "a.bin")
    assert files.read_checked(path, SHA256, {}) == CONTENT
    with pytest.raises(DataError, match=f"expected sha256 00, found {SHA256}, which is set/b"):
        files.read_checked(path, "00", {SHA256: "set/b"})
    with pytest.raises(DataError, match=rf"{path} is not the published file: .* \(9 bytes\)"):
        files.read_checked(path, "00", {})


def test_read_bytes_of_a_folder(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        files.read_bytes(tmp_path)
