"""Programs from disk: the same numbers without tracing, and only for what they were made from."""

import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from snnjax import compilation, executables

TRACED = []


def scaled_powers(factor, x, y):
    TRACED.append(factor)
    return {"power": jax.lax.fori_loop(0, 5, lambda _, z: z * x, x) * factor}, y + 1


scaled_powers.__module__ = "snnjax.made"  # programs of other code are not kept


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Keep programs in an empty folder, and leave JAX's own cache as it was."""
    monkeypatch.setattr(compilation, "_disk", [executables.Executables(tmp_path)])
    monkeypatch.setattr(compilation, "_known", {})
    before = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # whether it is used is looked up once
    TRACED.clear()
    yield tmp_path
    jax.config.update("jax_enable_compilation_cache", before)
    compilation_cache.reset_cache()


def call(factor=2.0, rows=3):
    """Call the program as another process would: nothing is known yet."""
    compilation._known.clear()
    jax.clear_caches()
    arguments = jnp.linspace(0.5, 1.5, rows), np.int32(4)
    program, _ = compilation.compiled(scaled_powers, (factor,), arguments)
    return jax.device_get(program(*arguments))


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.program"))


def test_a_kept_program_gives_the_same_bits_without_tracing(folder):
    powers, count = call()
    assert len(kept(folder)) == len(TRACED) == 1
    again, count_again = call()
    assert len(TRACED) == 1
    np.testing.assert_array_equal(again["power"], powers["power"])
    np.testing.assert_allclose(powers["power"], 2 * np.linspace(0.5, 1.5, 3) ** 6, rtol=1e-6)
    assert count == count_again == 5


def test_a_long_sweep_keeps_no_more_than_its_last_programs(monkeypatch):
    """What is still in use goes on working, and what is asked for again is made again."""
    monkeypatch.setattr(compilation, "_MOST_KNOWN", 4)
    monkeypatch.setattr(compilation, "_disk", [])
    arguments = jnp.ones(2), np.int32(4)
    began = compilation.program_count()
    programs = [compilation.compiled(scaled_powers, (float(n),), arguments)[0] for n in range(12)]
    assert compilation.program_count() - began == len(TRACED) == 12
    assert len(compilation._known) <= 5
    assert [float(program(*arguments)[0]["power"][0]) for program in programs] == [*range(12)]
    compilation.compiled(scaled_powers, (11.0,), arguments)
    assert len(TRACED) == 12
    compilation.compiled(scaled_powers, (0.0,), arguments)
    assert len(TRACED) == 13


def test_other_statics_shapes_and_settings_are_other_programs(folder, monkeypatch):
    call()
    call(factor=3.0)
    call(rows=4)
    assert len(kept(folder)) == 3
    monkeypatch.setenv("XLA_FLAGS_OF_A_TEST", "1")
    compilation._disk[0] = executables.Executables(folder)
    call()
    monkeypatch.setattr(executables, "package_digest", lambda: "other source code")
    compilation._disk[0] = executables.Executables(folder)
    call()
    assert len(kept(folder)) == len(TRACED) == 5


def test_code_of_ones_own_is_never_kept(folder):
    arguments = jnp.ones(3), np.int32(4)
    place = compilation._disk[0].place
    assert place(scaled_powers, ("mynet:Skip",), arguments) is None
    assert place(call, ("mlp",), arguments) is None
    assert place(scaled_powers, ("mlp",), arguments) is not None


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_program_is_made_again(folder, content):
    expected = call()
    (path,) = kept(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    found = call()
    assert len(TRACED) == 2
    np.testing.assert_array_equal(found[0]["power"], expected[0]["power"])
    call()
    assert len(TRACED) == 2


def test_a_program_that_cannot_be_revived_is_made_again(folder, monkeypatch):
    call()

    def refuse(*_):
        raise ValueError("made for another machine")

    monkeypatch.setattr(compilation, "revive", refuse)
    call()
    assert len(TRACED) == 2


def test_what_jax_had_in_its_own_cache_is_not_kept(folder, monkeypatch):
    original = jax.stages.Lowered.compile

    def compile_with_a_hit(self, *arguments, **options):
        jax.monitoring.record_event("/jax/compilation_cache/cache_hits")
        return original(self, *arguments, **options)

    monkeypatch.setattr(jax.stages.Lowered, "compile", compile_with_a_hit)
    call()
    assert kept(folder) == []


def test_programs_unused_for_a_month_are_removed(folder):
    call()
    call(factor=3.0)
    old, fresh = kept(folder)
    os.utime(old, (time.time() - 31 * 86400,) * 2)
    executables.Executables(folder)
    assert kept(folder) == [fresh]


def test_a_program_whose_date_cannot_be_renewed_is_found_all_the_same(folder, monkeypatch):
    call()

    def refuse(path):
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(executables.os, "utime", refuse)
    call()
    assert len(TRACED) == 1


@pytest.mark.parametrize("is_on", [False, True])
def test_jaxs_switch_is_ours_too(tmp_path, monkeypatch, is_on):
    directory = jax.config.jax_compilation_cache_dir
    seconds = jax.config.jax_persistent_cache_min_compile_time_secs
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "programs"))
    monkeypatch.setattr(compilation, "_disk", [])
    jax.config.update("jax_enable_compilation_cache", is_on)
    try:
        compilation.keep_compiled()
        assert len(compilation._disk) == is_on
        assert (tmp_path / "programs").exists() == is_on
    finally:
        jax.config.update("jax_compilation_cache_dir", directory)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", seconds)


DECOMPOSING = """
import sys
from pathlib import Path
import jax.numpy as jnp
from snnjax import compilation, executables

def values(x):
    print("traced")
    return jnp.linalg.svd(x, compute_uv=False), jnp.linalg.qr(x)[1]

values.__module__ = "snnjax.made"
compilation._disk.append(executables.Executables(Path(sys.argv[1])))
arguments = (jnp.diag(jnp.array([1.0, 3.0, 2.0])),)
program, _ = compilation.compiled(values, (), arguments)
print(program(*arguments)[0].tolist())
"""


def test_decompositions_work_in_a_process_that_never_traced_any(folder):
    said = [
        subprocess.run(
            [sys.executable, "-c", DECOMPOSING, str(folder)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"},
        ).stdout.split("\n")
        for _ in range(2)
    ]
    assert said == [["traced", "[3.0, 2.0, 1.0]", ""], ["[3.0, 2.0, 1.0]", ""]]
