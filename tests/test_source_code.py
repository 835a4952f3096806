"""Which source code and libraries a result was made by, and what is refused because of them."""

import json
import sys
from dataclasses import replace

import pytest
from conftest import QUIET

import snnjax
from snnjax import experiment, recorder
from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config, DataConfig, ModelConfig, SweepConfig, TrainingConfig
from snnjax.source_code import digest_with, package_digest

FILES = {
    "mynet.py": "import json\nimport parts.layers\nfrom snnjax.nn.mlp import MLP\n",
    "parts/__init__.py": "",
    "parts/layers.py": "def layer():\n    from . import deep\n    import beside\n    return deep\n",
    "parts/deep.py": "",
    "beside.py": "import no_such_module\n",
    "unused.py": "import mynet\n",
    "parts/unused.py": "",
}
USED = {"mynet.py", "parts/__init__.py", "parts/layers.py", "parts/deep.py", "beside.py"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def digest(*modules):
    digest_with.cache_clear()
    return digest_with(modules)


def test_a_module_of_ones_own_counts_with_all_it_imports_from_its_folder(folder):
    before, known = digest("mynet"), set(sys.modules)
    assert before == digest("mynet") != package_digest()
    for name, text in FILES.items():
        (folder / name).write_text(text + "# changed\n")
        assert (digest("mynet") != before) == (name in USED), name
        (folder / name).write_text(text)
    assert digest("mynet") == before
    assert "mynet" not in known | set(sys.modules)  # nothing was run for it


def test_a_module_in_a_package_of_ones_own(folder):
    before = digest("parts.layers")
    (folder / "parts/deep.py").write_text("x = 1")
    assert digest("parts.layers") not in (before, package_digest())


def test_a_folder_without_init_is_a_package_too(folder):
    (folder / "parts/__init__.py").unlink()
    before = digest("parts.layers")
    for name in ("parts/layers.py", "parts/deep.py", "beside.py"):
        text = (folder / name).read_text()
        (folder / name).write_text(text + "# changed")
        assert digest("parts.layers") not in (before, package_digest())
        (folder / name).write_text(text)
    assert digest("parts.layers") == before


def test_relative_imports_of_every_kind(folder):
    """Of a module beside, of a name in one, of one in the package above, of a name above."""
    (folder / "parts/sub").mkdir()
    for name in ("one", "two", "sub/__init__", "sub/inner"):
        (folder / f"parts/{name}.py").write_text("")
    (folder / "parts/__init__.py").write_text("from .one import something\nvalue = 1")
    text = "from .inner import a\nfrom .. import value, two\nfrom ..deep import *\n"
    (folder / "parts/sub/main.py").write_text(text)
    before = digest("parts.sub.main")
    for name in ("one", "two", "sub/__init__", "sub/inner", "sub/main", "deep"):
        path = folder / f"parts/{name}.py"
        text = path.read_text()
        path.write_text(text + "# changed")
        assert digest("parts.sub.main") != before, name
        path.write_text(text)
    (folder / "parts/layers.py").write_text("")
    assert digest("parts.sub.main") == before


def test_the_package_beside_ones_own_module_is_not_searched(tmp_path, monkeypatch):
    """As where one works in a checkout: it has a digest of its own."""
    (tmp_path / "snnjax").mkdir()
    (tmp_path / "snnjax/__init__.py").write_text("")
    (tmp_path / "othernet.py").write_text("import snnjax\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    before = digest("othernet")
    (tmp_path / "snnjax/__init__.py").write_text("# changed")
    assert digest("othernet") == before


@pytest.mark.parametrize("module", ["no_such", "sys", "json", "flax.linen", "parts.no_such"])
def test_other_modules_are_no_matter(folder, module):
    """Those that are not there, are built in or installed; without searching all of them."""
    assert len(digest(module)) == 64


def test_a_module_that_is_no_python_is_complained_about_elsewhere(folder):
    before = digest("mynet")
    (folder / "mynet.py").write_text("this is no python")
    assert digest("mynet") not in (before, package_digest())


def test_without_modules_it_is_the_packages():
    assert digest() == package_digest()


CONFIG = Config(
    data=DataConfig(name="sklearn_wine"),
    model=ModelConfig(depth=1, width=8),
    training=TrainingConfig(epochs=1),
    logging=QUIET,
)
MIXED = replace(CONFIG, sweep=SweepConfig(mix_versions=True))


@pytest.mark.parametrize("package", ["jax", "jaxlib", "flax", "optax", "numpy"])
def test_results_of_other_libraries_are_refused(tmp_path, monkeypatch, package):
    result = {"fingerprint": recorder.fingerprint(CONFIG), "metrics": {}}
    now = recorder._versions() | {"code": recorder.code_digest(CONFIG)}
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result | {"versions": now | {package: "0.0.1"}}))
    with pytest.raises(ConfigError, match=rf"versions of libraries \({package} 0.0.1, now \d") as e:
        experiment.earlier_result(experiment.Run(CONFIG, tmp_path))
    assert "sweep.mix_versions=true" in str(e.value)
    assert str(path) in str(e.value)
    assert experiment.earlier_result(experiment.Run(MIXED, tmp_path)).status == "skipped"
    path.write_text(json.dumps(result | {"versions": now | {"python": "3.0.0"}}))
    assert experiment.earlier_result(experiment.Run(CONFIG, tmp_path)).status == "skipped"


def test_what_a_run_writes_is_what_the_next_start_expects(tmp_path):
    experiment.run(CONFIG, tmp_path)
    versions = json.loads((tmp_path / "result.json").read_text())["versions"]
    assert set(recorder.PACKAGES) <= set(versions)
    assert versions["snnjax"] == snnjax.__version__
    assert experiment.run(CONFIG, tmp_path).status == "skipped"
