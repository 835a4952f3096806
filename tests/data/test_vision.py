import gzip
import hashlib
import io
import multiprocessing
import shutil
import tarfile

import numpy as np
import pytest

from snnjax.config.schema import DataConfig
from snnjax.data import prepared, vision
from snnjax.data.catalog import DataError
from snnjax.data.load import load

BATCH = 4


def small_batches():
    shape = (len(vision.CIFAR10_MEMBERS), BATCH, vision.CIFAR10_RECORD)
    values = np.random.Generator(np.random.PCG64(0)).integers(0, 10, shape, dtype=np.uint8)
    return {
        file: batch.tobytes() for file, batch in zip(vision.CIFAR10_MEMBERS, values, strict=True)
    }


def shrink_cifar10(patch):
    """Pin a CIFAR-10 of 24 images instead of the published one; returns its files."""
    batches = small_batches()
    md5 = {file: hashlib.md5(content).hexdigest() for file, content in batches.items()}
    patch.setattr(vision, "CIFAR10_MEMBERS", md5)
    patch.setattr(vision, "CIFAR10_BATCH", BATCH)
    patch.setattr(vision, "CIFAR10_SHAPE", (6 * BATCH, vision.CIFAR10_RECORD))
    patch.setattr(vision, "CIFAR10_KEY", "small")
    return batches


@pytest.fixture
def batches(monkeypatch):
    return shrink_cifar10(monkeypatch)


@pytest.fixture
def put_archive(tmp_path):
    def put(batches, prefix="cifar-10-batches-bin/", kind="xz"):
        path = tmp_path / f"cifar10/cifar-10-binary.tar.{kind}"
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, f"w:{kind}") as archive:
            for file, content in batches.items():
                member = tarfile.TarInfo(prefix + file)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path

    return put


@pytest.mark.parametrize("kind", ["gz", "xz"])
def test_cifar10_archive(tmp_path, cache, batches, put_archive, kind):
    put_archive(batches, kind=kind)
    data = load(DataConfig(name="cifar10", root=str(tmp_path)))
    records = np.frombuffer(b"".join(batches.values()), np.uint8).reshape(24, -1)
    assert np.array_equal(data.features, records[:, 1:])
    assert np.array_equal(data.targets, records[:, 0])
    assert data.rows["test"].tolist() == [20, 21, 22, 23]
    # gzip is quick enough to do without a prepared copy
    assert prepared.path_of("small").exists() == (kind == "xz")
    assert load(DataConfig(name="cifar10", root=str(tmp_path))).sha256 == data.sha256


def test_prepared_copy_stands_in_for_the_archive(tmp_path, batches, put_archive):
    path = put_archive(batches)
    config = DataConfig(name="cifar10", root=str(tmp_path))
    sha256 = load(config).sha256
    path.unlink()
    assert load(config).sha256 == sha256


def test_order_of_members_does_not_matter(batches, put_archive):
    path = put_archive(dict(reversed(batches.items())), prefix="./cifar-10-batches-bin/")
    assert vision.read_cifar10_archive(path).tobytes() == b"".join(batches.values())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("swapped", "data_batch_2.bin is not the published file: expected .* found"),
        ("flipped", "test_batch.bin is not the published file"),
        ("longer", "data_batch_1.bin is not the published file: .* found 12297 with"),
        ("missing", "expected data_batch_3.bin, found no such member"),
        ("empty", "found no such member"),
    ],
)
def test_cifar10_with_wrong_members(batches, put_archive, damage, message):
    doctored = dict(batches)
    if damage == "swapped":
        doctored["data_batch_2.bin"] = batches["data_batch_3.bin"]
    elif damage == "flipped":
        doctored["test_batch.bin"] = batches["test_batch.bin"][:-1] + b"\xff"
    elif damage == "longer":
        doctored["data_batch_1.bin"] += bytes(5)
    elif damage == "missing":
        del doctored["data_batch_3.bin"]
    else:
        doctored = {}
    path = put_archive(doctored)
    with pytest.raises(DataError, match=message) as raised:
        vision.read_cifar10_archive(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("kind", ["gz", "xz"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "text", "empty"])
def test_damaged_cifar10_archive(tmp_path, batches, put_archive, kind, damage):
    path = put_archive(batches, kind=kind)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    changed = {"truncated": content[: len(content) // 3], "flipped": content, "text": b"no tar"}
    path.write_bytes(changed.get(damage, b""))
    with pytest.raises(DataError, match=str(path)):
        load(DataConfig(name="cifar10", root=str(tmp_path)))


@pytest.mark.parametrize("prefix", ["../", "/", "../../cifar-10-batches-bin/"])
def test_members_outside_write_nothing(tmp_path, batches, put_archive, prefix):
    path = put_archive(batches, prefix=prefix)
    with pytest.raises(DataError, match="no such member"):
        vision.read_cifar10_archive(path)
    assert list(tmp_path.rglob("*")) == [path.parent, path]


def test_links_are_not_followed(tmp_path, batches):
    path = tmp_path / "links.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(member)
    with pytest.raises(DataError, match=str(path)):
        vision.read_cifar10_archive(path)


def test_damaged_prepared_copy_is_built_again(tmp_path, batches, put_archive):
    put_archive(batches)
    config = DataConfig(name="cifar10", root=str(tmp_path))
    sha256 = load(config).sha256
    path = prepared.path_of("small")
    intact = path.read_bytes()
    path.write_bytes(intact[:-1] + b"\xff")
    assert load(config).sha256 == sha256
    assert path.read_bytes() == intact


def test_cache_folder_that_cannot_be_written(tmp_path, monkeypatch, batches, put_archive):
    put_archive(batches)
    monkeypatch.setenv("SNNJAX_CACHE", str(put_archive(batches) / "below"))
    assert len(load(DataConfig(name="cifar10", root=str(tmp_path))).features) == 24


def load_small(root, barrier, answers):
    with pytest.MonkeyPatch.context() as patch:
        shrink_cifar10(patch)
        barrier.wait(60)
        answers.put(load(DataConfig(name="cifar10", root=root)).sha256)


def test_processes_preparing_at_once(tmp_path, cache, batches, put_archive):
    put_archive(batches)
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    arguments = (str(tmp_path), barrier, answers)
    workers = [context.Process(target=load_small, args=arguments) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = {answers.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join(60)
    assert found == {load(DataConfig(name="cifar10", root=str(tmp_path))).sha256}
    assert [path.name for path in (cache / "prepared").iterdir()] == ["small.bin"]


def idx(shape, data, kind=8):
    return bytes([0, 0, kind, len(shape)]) + np.array(shape, ">u4").tobytes() + data


def test_read_idx():
    array = vision.read_idx(idx((2, 3), bytes(range(6))), "f")
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"text",
        idx((3,), b"12"),
        idx((3,), b"1234"),
        idx((), b"1"),
        idx((2,), b"12", kind=9),
        idx((2**31, 2**31, 2**31), b""),
        idx((2, 2), b"")[:9],
    ],
)
def test_read_idx_refuses(content):
    with pytest.raises(DataError, match=r"file\.gz: expected"):
        vision.read_idx(content, "file.gz")


@pytest.fixture
def doctored(tmp_path, data_root):
    """Return a folder with a copy of MNIST to tamper with."""
    shutil.copytree(data_root / "mnist", tmp_path / "root/mnist", copy_function=shutil.copyfile)
    (tmp_path / "root/mnist").chmod(0o700)
    return tmp_path / "root"


TRAIN, TEST = "train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"
LABELS = "train-labels-idx1-ubyte.gz"


@pytest.mark.parametrize("damage", ["truncated", "flipped", "packed again", "fashion", "empty"])
def test_damaged_mnist(doctored, data_root, damage):
    path = doctored / "mnist" / LABELS
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[:1000]
    elif damage == "flipped":
        content[5000] ^= 1
    elif damage == "packed again":
        content = gzip.compress(gzip.decompress(content)[:-1])
    elif damage == "fashion":
        content = (data_root / "fashion_mnist" / LABELS).read_bytes()
    else:
        content = b""
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path} is not the published file: expected sha256") as e:
        load(DataConfig(name="mnist", root=str(doctored)))
    assert ("which is fashion_mnist/train-labels" in str(e.value)) == (damage == "fashion")


def test_swapped_mnist(doctored):
    folder = doctored / "mnist"
    (folder / TRAIN).rename(folder / "aside")
    (folder / TEST).rename(folder / TRAIN)
    (folder / "aside").rename(folder / TEST)
    with pytest.raises(DataError, match=rf"{TRAIN} is not .* which is mnist/{TEST}"):
        load(DataConfig(name="mnist", root=str(doctored)))


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        (
            "mnist",
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        ),
        ("fashion_mnist", [6000] * 10, [1000] * 10),
    ],
)
def test_idx_sets(data_root, name, train, test):
    data = load(DataConfig(name=name, validation=0))
    assert data.features.shape == (70_000, 784)
    assert data.features.dtype == np.uint8
    assert np.bincount(data.targets[data.rows["train"]]).tolist() == train
    assert np.bincount(data.targets[data.rows["test"]]).tolist() == test
    assert data.rows["test"][0] == 60_000


def test_known_mnist_digits(data_root):
    data = load(DataConfig(name="mnist", standardize="none"))
    assert data.targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.targets[60_000:60_005].tolist() == [7, 2, 1, 0, 4]
    pixels = (data.features[:60_000] - data.shift) * data.scale
    # the mean and deviation everybody normalises MNIST by
    assert pixels.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert pixels.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)


@pytest.mark.slow
def test_cifar10_as_published(data_root, cache):
    cold = load(DataConfig(name="cifar10"))
    assert list((cache / "prepared").iterdir()) == [prepared.path_of(vision.CIFAR10_KEY)]
    warm = load(DataConfig(name="cifar10", fold=1, standardize="none"))
    assert cold.sha256 == warm.sha256
    assert cold.features.shape == (60_000, 3072)
    assert cold.targets[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert cold.targets[50_000:50_005].tolist() == [3, 8, 8, 0, 6]
    assert np.bincount(cold.targets[:50_000]).tolist() == [5000] * 10
    assert np.bincount(cold.targets[50_000:]).tolist() == [1000] * 10
    # channel means everybody normalises CIFAR-10 by: planes are red, green, blue
    channels = cold.features[:50_000].reshape(50_000, 3, 1024).mean(axis=(0, 2)) / 255
    np.testing.assert_allclose(channels, [0.4914, 0.4822, 0.4465], atol=5e-5)
    assert np.bincount(cold.targets[cold.rows["validation"]]).tolist() == [750] * 10
    assert not np.array_equal(cold.rows["validation"], warm.rows["validation"])
