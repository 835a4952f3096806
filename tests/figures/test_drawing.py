"""Every figure from folders on disk: files, captions, what is drawn, what is refused."""

import json
import re
import shutil

import numpy as np
import pytest
from synthetic import make_run

from snnjax.config.errors import ConfigError
from snnjax.figures import drawing
from snnjax.figures.__main__ import main
from snnjax.figures.drawing import draw
from snnjax.figures.groups import group_runs
from snnjax.figures.picture import Choices
from snnjax.figures.records import read_runs
from snnjax.figures.registry import NAMES, PICTURES
from snnjax.figures.style import SUFFIXES


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Return a sweep of two initialisers with two seeds each, and a loss surface."""
    folder = tmp_path_factory.mktemp("sweep")
    for number, (init, seed) in enumerate([(i, s) for i in ("uniform", "normal") for s in (0, 1)]):
        make_run(folder / str(number), init=init, seed=seed, depth=3, width=8, looks=(0, 1, 3))
    values = np.linspace(-1, 1, 5)
    surface = {"cross_entropy": np.outer(values, values), "quadratic": np.outer(values, values**2)}
    np.savez(folder / "surface.npz", first=values, second=values, **surface)
    return folder


@pytest.fixture
def copied(sweep, tmp_path):
    return shutil.copytree(sweep / "0", tmp_path / "run")


def figure_of(name, folder, choices=Choices()):  # noqa: B008
    groups = group_runs(read_runs([folder]))
    return drawing._drawn(name, drawing.suited(name, groups), len(groups), choices)


def caption_of(figure):
    return " ".join(figure.texts[-1].get_text().split())


def curves(ax):
    return [np.asarray(line.get_ydata(), float) for line in ax.lines]


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_drawn_light_and_the_same_again(name, sweep, tmp_path):
    written = draw([sweep], [name], tmp_path / "new")
    assert [path.name for path in written] == [f"{name}.svg", f"{name}.png"]
    assert all(1000 < path.stat().st_size < 300_000 for path in written)
    again = draw([sweep], [name], tmp_path / "again", formats=["svg"])
    assert again[0].read_bytes() == written[0].read_bytes()
    text = written[0].read_text()
    runs = "Both costs" if name == "surface" else "2 runs (seeds 0, 1)"
    assert all(word in re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", text)) for word in runs.split())


def test_all_that_the_folders_hold_is_drawn_beside_them(copied):
    written = draw([copied], formats=["svg"])
    assert [path.stem for path in written] == [name for name in NAMES if name != "surface"]
    assert {path.parent for path in written} == {copied / "figures"}


def test_every_axes_has_something_in_it(sweep):
    for name in PICTURES:
        for ax in figure_of(name, sweep).axes:
            drawn = [*ax.lines, *ax.collections, *ax.patches, *ax.images, *ax.texts]
            assert drawn, (name, ax.get_title())


def test_lines_are_what_was_measured(sweep):
    figure = figure_of("activations", sweep)
    records = [np.load(sweep / str(number) / "diagnostics.npz") for number in (2, 3)]
    deviation = np.median([np.sqrt(r["activation_variance"]) for r in records], axis=0)
    (axes,) = [ax for ax in figure.axes if ax.get_title() == "normal"]
    below = figure.axes[figure.axes.index(axes) + 2]
    np.testing.assert_allclose(curves(below), deviation.T)
    mean = np.median([r["activation_mean"] for r in records], axis=0)
    np.testing.assert_allclose(curves(axes), mean.T)


def test_blocks_of_layers_and_gates_are_told_from_layers(tmp_path):
    path = make_run(tmp_path / "run", depth=4, width=6) / "diagnostics.npz"
    with np.load(path) as content:
        record = dict(content)
    kernels = record["kernels"].tolist()
    record["layer_singular"] = record["layer_singular"][:, 1:]  # of blocks, fewer than layers
    record["kernels"] = np.array([*kernels[:1], "gate", *kernels[1:]])
    for name in [name for name in record if name.startswith(("weight_", "update_", "gradient_n"))]:
        record[name] = np.insert(record[name], 1, record[name][:, 0], axis=1)
    np.savez(path, **record)
    assert len(draw([tmp_path], formats=["png"])) == len(PICTURES)
    spectra = figure_of("singular_values", tmp_path)
    np.testing.assert_allclose(curves(spectra.axes[1]), record["layer_singular"][..., 1].T)
    speeds = record["update_norm"] / record["weight_norm"]
    relative = curves(figure_of("speed", tmp_path).axes[1])[0]
    np.testing.assert_allclose(relative, speeds[:, 0] / speeds[:, 4])


def test_runs_that_diverged_at_once_have_no_curves(tmp_path):
    path = make_run(tmp_path / "run") / "metrics.jsonl"
    empty = {"epoch": 1, "step": 5, "split": "train", "loss": None}
    path.write_text(json.dumps(empty) + "\n")
    assert "learning_curves" not in {path.stem for path in draw([tmp_path], formats=["png"])}
    with pytest.raises(ConfigError, match=r"learning_curves: no metrics in metrics\.jsonl"):
        draw([tmp_path], ["learning_curves"])


def test_weight_histograms_are_of_the_layer_asked_for(sweep):
    assert "kernel output" in caption_of(figure_of("weights_over_time", sweep))
    assert "kernel 2" in caption_of(figure_of("weights_over_time", sweep, Choices(layer="2")))
    with pytest.raises(ConfigError, match="--layer=9: no such layer; allowed: 1, 2, 3, output"):
        figure_of("weights_over_time", sweep, Choices(layer="9"))


def test_learning_curves_end_at_the_latest_best_epoch(sweep):
    figure = figure_of("learning_curves", sweep)
    loss = figure.axes[0]
    assert loss.get_ylabel() == "loss"
    lines = [line for line in loss.lines if line.get_marker() != "o"]
    assert {float(line.get_xdata()[-1]) for line in lines} == {6.0}
    dots = [line.get_xdata().tolist() for line in loss.lines if line.get_marker() == "o"]
    assert dots == [[5, 6], [5, 6]]
    assert "Best epochs: 5 to 6; lines end at the latest" in caption_of(figure)


def test_a_fixed_point_has_its_row_where_there_is_one(sweep, tmp_path):
    assert [ax.get_ylabel() for ax in figure_of("moments", sweep).axes] == ["from prediction", ""]
    make_run(tmp_path, activation="selu", init="lecun_normal", width=6, depth=2)
    figure = figure_of("moments", tmp_path)
    assert [ax.get_ylabel() for ax in figure.axes] == ["from prediction", "from fixed point"]
    record = np.load(tmp_path / "diagnostics.npz")
    expected = np.hypot(record["activation_mean"], record["activation_variance"] - 1)
    np.testing.assert_allclose(curves(figure.axes[1]), expected.T)


def test_networks_of_several_depths_have_a_panel_for_each_activation(tmp_path):
    for number, (name, depth) in enumerate([(a, d) for a in ("tanh", "relu") for d in (2, 9)]):
        make_run(tmp_path / str(number), activation=name, depth=depth, width=6, looks=(0, 1))
    figure = figure_of("gradient_by_layer", tmp_path)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == [f"{a}, {when} look" for when in ("first", "last") for a in ("tanh", "relu")]
    assert [len(curve) for curve in curves(figure.axes[1])] == [2, 9]
    record = np.load(tmp_path / "3" / "diagnostics.npz")
    expected = np.sqrt(record["activation_gradient_variance"][-1])
    np.testing.assert_allclose(curves(figure.axes[3])[1], expected)
    assert figure.axes[0].get_yscale() == figure.axes[0].get_xscale() == "log"
    others = ["activations", "by_layer", "initial_histograms", "speed", "singular_values"]
    assert len(draw([tmp_path], others, formats=["png"])) == len(others)


@pytest.mark.parametrize(
    "given",
    [
        {"looks": (0,)},
        {"depth": 1},
        {"depth": 30, "activation": "selu", "init": "lecun_normal"},
        {"broken": "activation_mean weight_gradient_variance layer_singular update_norm"},
        {"broken": "activation_edges weight_edges activation_gradient_variance"},
        {"looks": (0.5, 0.75, 8), "rate": 0.0, "result": False},
    ],
    ids=["one look", "one layer", "many layers", "not finite", "edges not finite", "nothing moves"],
)
@pytest.mark.filterwarnings("error")
def test_what_is_unusual_is_drawn_too(given, tmp_path):
    make_run(tmp_path / "run", **{"width": 6, "depth": 3, **given})
    written = draw([tmp_path], out=tmp_path / "figures", formats=["svg"])
    assert len(written) == len(PICTURES)
    assert all(path.stat().st_size < 300_000 for path in written)


def test_values_that_are_not_finite_are_told(tmp_path):
    for seed in (0, 1):
        broken = "activation_mean" if seed else ""
        make_run(tmp_path / str(seed), seed=seed, width=6, depth=2, broken=broken)
    said = caption_of(figure_of("activations", tmp_path))
    assert "Values that are not finite are left out, in 1 of 2 runs." in said


def test_early_looks_have_room(tmp_path):
    make_run(tmp_path, width=6, depth=2, looks=(0, 0.05, 0.1, 0.5, 1, 40))
    below = figure_of("activations", tmp_path).axes[1]
    assert below.get_xscale() == "symlog"
    assert [label.get_text() for label in below.get_xticklabels()] == ["0", "0.1", "1", "10"]


def test_many_groups_are_not_all_drawn(tmp_path):
    for depth in range(1, 11):
        make_run(tmp_path / str(depth), depth=depth, width=3, looks=(0,))
    figure = figure_of("percentiles", tmp_path)
    assert "8 of 10 groups are drawn." in caption_of(figure)
    assert [ax.get_title() for ax in figure.axes if ax.get_title()][:2] == ["depth 1", "depth 2"]


def test_what_was_not_measured_is_refused_by_name_and_left_out_without(tmp_path):
    make_run(tmp_path / "0", depth=2, width=4, leave_out=("saturated", "dead", "revived", "weight"))
    names = [path.stem for path in draw([tmp_path], out=tmp_path / "new", formats=["png"])]
    assert not {"units", "weights_over_time", "weight_gradients", "speed"} & set(names)
    assert {"activations", "initial_histograms", "learning_curves"} <= set(names)
    with pytest.raises(
        ConfigError, match=r"units: no saturated or dead or revived in .*diagnostics="
    ):
        draw([tmp_path], ["activations", "units"])
    assert not (tmp_path / "figures").exists()
    with pytest.raises(ConfigError, match=r"speed: no weight_norm in diagnostics.npz of"):
        draw([tmp_path], ["speed"])
    (tmp_path / "0" / "diagnostics.npz").unlink()
    with pytest.raises(ConfigError, match=r"moments: no run in .* has diagnostics.npz; measured"):
        draw([tmp_path], ["moments"])
    assert [path.stem for path in draw([tmp_path], formats=["png"])] == ["learning_curves"]
    (tmp_path / "0" / "metrics.jsonl").write_text("")
    with pytest.raises(ConfigError, match=r"learning_curves: no metrics in metrics.jsonl"):
        draw([tmp_path], ["learning_curves"])
    with pytest.raises(ConfigError, match="nothing to draw: runs without metrics"):
        draw([tmp_path])


def test_runs_without_what_is_drawn_do_not_count(tmp_path):
    for seed in (0, 1, 2):
        left_out = ("saturated", "dead", "revived") if seed == 1 else ()
        make_run(tmp_path / str(seed), seed=seed, depth=2, width=4, leave_out=left_out)
    assert "2 runs (seeds 0, 2)" in caption_of(figure_of("units", tmp_path))
    (tmp_path / "2" / "metrics.jsonl").unlink()
    assert "2 runs (seeds 0, 1)" in caption_of(figure_of("learning_curves", tmp_path))


def cut(path):
    path.write_bytes(path.read_bytes()[:2000])


def with_fewer_layers(path):
    record = dict(np.load(path))
    np.savez(path, **{**record, "dead": record["dead"][:, :-1]})


def without_epochs(path):
    np.savez(path, step=np.zeros(1), layers=np.array(["1"]), kernels=np.array(["1"]))


def of_objects(path):
    np.savez(path, epoch=np.array([{}], object))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut, "cannot be read: File is not a zip file"),
        (lambda path: path.write_bytes(b""), "cannot be read: No data left in file"),
        (of_objects, "cannot be read: Object arrays cannot be loaded"),
        (without_epochs, "holds no epoch: not a file of diagnostics"),
        (with_fewer_layers, r"dead has shape \(3, 2\); expected \(3, 3\) at its beginning"),
    ],
)
def test_broken_diagnostics_are_named(spoil, said, copied):
    spoil(copied / "diagnostics.npz")
    with pytest.raises(ConfigError, match=f"run/diagnostics.npz: {said}"):
        draw([copied])


def test_other_broken_files_are_named(copied):
    with (copied / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 9, "spl')  # being written
    draw([copied], ["learning_curves"], formats=["png"])
    (copied / "metrics.jsonl").write_text("x\n{}\n")
    with pytest.raises(ConfigError, match=r"metrics.jsonl: line 1: Expecting value"):
        draw([copied])
    (copied / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"config.json: cannot be read: not a JSON object"):
        draw([copied])
    np.savez(copied / "surface.npz", first=np.zeros(2), second=np.zeros(3), quadratic=0)
    (copied / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"surface.npz: holds no cross_entropy"):
        draw([copied])


def test_folders_given_twice_are_read_once(sweep, tmp_path):
    groups = group_runs(read_runs([sweep, sweep / "1", sweep]))
    assert [len(group.runs) for group in groups] == [2, 2]


def test_the_command(sweep, tmp_path, capsys):
    words = ["--only", "units,speed", "--format", "pdf", "--out", str(tmp_path / "made" / "here")]
    assert main([str(sweep), *words]) == 0
    names = [f"{tmp_path}/made/here/{name}.pdf" for name in ("units", "speed")]
    assert capsys.readouterr().out.splitlines() == names
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [*NAMES]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no folder given; allowed: DIR..."),
        (("{empty}",), "{empty}: no runs in or below it: no config.json beside metrics.jsonl or"),
        (("{empty}/no",), "{empty}/no: no such folder"),
        (("{sweep}", "--only", "unit"), "unit: no such figure; allowed: activations, "),
        (("{sweep}", "--only", "unit"), "did you mean units?"),
        (("{sweep}", "--format", "gif"), "gif: no such format; allowed: svg, png, pdf"),
        (("{sweep}", "--out", "/dev/null/x"), "/dev/null/x: cannot be made"),
        (("{sweep}/0", "--only", "surface"), "surface: no surface.npz in {sweep}/0"),
    ],
)
def test_mistakes_are_one_line(words, said, sweep, tmp_path, capsys):
    places = {"sweep": sweep, "empty": tmp_path}
    assert main([word.format(**places) for word in words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("snnjax: error: ")
    assert said.format(**places) in line


def test_formats_are_those_of_the_style():
    assert tuple(f".{kind}" for kind in drawing.FORMATS) == SUFFIXES


def test_a_run_of_the_command_line_can_be_drawn(tmp_path):
    """The metrics that training writes, of a task without accuracy."""
    lines = [{"epoch": e, "step": e, "split": "train", "loss": 1 / e, "r2": 0.5} for e in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "config.json").write_text('{"seed": 3}')
    figure = figure_of("learning_curves", tmp_path)
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "r2"]
    assert caption_of(figure).endswith(
        "No result is there yet: all epochs are drawn. From 1 run (seed 3)."
    )
