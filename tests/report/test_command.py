"""`python -m snnjax.report`: what it writes for good folders and says of bad ones."""

import itertools

import pandas as pd
import pytest
from made_runs import VERSIONS, make_run, make_sweep

from snnjax.report.__main__ import main


@pytest.fixture
def said(capsys):
    """Return what was printed as (code, output, errors)."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def uci(folder, methods=("snn", "msra"), sets=("wine", "iris", "car"), study="uci", **more):
    """Make a sweep with two rates and two seeds for each method and data set."""
    make_sweep(folder)
    grid = itertools.product(methods, sets, (0.01, 0.1), (0, 1))
    for number, (method, data, rate, seed) in enumerate(grid):
        score = 0.5 + (number * 37 % 50) / 100
        settings = {"model.name": method, "data.name": data, "seed": seed, "sweep.study": study}
        settings["optimizer.learning_rate"] = rate
        make_run(folder / str(number), settings, validation=score, test=score - 0.05, **more)
    return folder


def test_a_sweep_becomes_a_folder_of_files(tmp_path, said):
    sweep = uci(tmp_path / "sweep")
    code, output, errors = said(sweep)
    assert (code, errors) == (0, "")
    assert output.splitlines() == [
        "24 runs in 1 folder: 24 done; 0.02 hours of training.",
        str(sweep / "report" / "report.html"),
    ]
    found = {path.name for path in (sweep / "report").iterdir()}
    assert {"report.html", "report.md", "uci_ranks.csv", "uci_beside_by_set.csv"} <= found
    assert {"uci_critical_difference.svg", "uci_budget.svg", "uci_isolation.svg"} <= found
    ranks = pd.read_csv(sweep / "report" / "uci_ranks.csv")
    assert sorted(ranks["method"]) == ["MSRAinit", "SNN"]
    assert ranks["rank difference"].sum() == 0


def test_the_report_of_a_report_is_the_same(tmp_path, said):
    sweep = uci(tmp_path / "sweep")
    said(sweep, "--out", tmp_path / "a")
    said(sweep, "--out", tmp_path / "b")
    first = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()} == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no folder given"),
        (["nothing"], "no such folder"),
        (["file"], "not a folder"),
        (["empty"], "no runs below"),
        (["sweep", "--out", "file"], "--out {}/file: not a folder"),
    ],
)
def test_mistakes_are_one_line_and_code_2(tmp_path, said, arguments, message):
    uci(tmp_path / "sweep")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    given = [a if a.startswith("--") else tmp_path / a for a in arguments]
    code, output, errors = said(*given)
    assert (code, output) == (2, "")
    assert errors.startswith("snnjax: error: ")
    assert message.format(tmp_path) in errors
    assert len(errors.splitlines()) == 1


def test_a_sweep_of_which_nothing_is_done_says_so(tmp_path, said):
    code, output, _ = said(uci(tmp_path / "sweep", status="left"))
    assert code == 0
    assert "24 runs in 1 folder: 24 left" in output
    text = (tmp_path / "sweep" / "report" / "report.md").read_text()
    assert "None of 24 runs is done yet." in text


@pytest.mark.parametrize("study", ["uci", "htru2", "tox21", "figure1", "keras", "glorot_table1"])
@pytest.mark.parametrize("status", ["left", "diverged"])
def test_no_study_breaks_where_nothing_came_out(tmp_path, said, study, status):
    code, _, errors = said(uci(tmp_path / "sweep", sets=("wine",), study=study, status=status))
    assert (code, errors) == (0, "")


@pytest.mark.parametrize("study", ["uci", "htru2", "tox21", "figure1", "keras", "glorot_table1"])
@pytest.mark.parametrize("method", ["random_forest", "own:Network"])
def test_one_method_alone_is_reported_whatever_the_study(tmp_path, said, study, method):
    code, _, errors = said(uci(tmp_path / "sweep", methods=(method,), study=study))
    assert (code, errors) == (0, "")


def test_missing_scores_rank_last(tmp_path, said):
    sweep = uci(tmp_path / "sweep")
    for number in range(4):  # of SNN on wine
        settings = {"model.name": "snn", "data.name": "wine", "sweep.study": "uci", "seed": number}
        make_run(sweep / str(number), settings, status="diverged")
    assert said(sweep)[0] == 0
    table = pd.read_csv(sweep / "report" / "uci_pairs.csv").set_index("against")
    assert table.loc["MSRAinit", ["win", "tie", "loss"]].sum() == 3
    assert table.loc["MSRAinit", "loss"] >= 1
    scores = pd.read_csv(sweep / "report" / "uci_scores.csv").set_index("data set")
    assert scores["SNN"].notna().to_dict() == {"car": True, "iris": True, "wine": False}


def test_mixed_versions_are_warned_of(tmp_path, said):
    uci(tmp_path / "sweep" / "a")
    uci(tmp_path / "sweep" / "b", sets=("car",), versions=VERSIONS | {"code": "another"})
    code, output, _ = said(tmp_path / "sweep")
    assert code == 0
    warning = "results of several versions of source code: 0123456789ab (24 runs), another (8 runs)"
    assert f"snnjax: {warning}" in output.splitlines()
    assert warning in (tmp_path / "sweep" / "report" / "report.html").read_text()


def test_runs_of_no_study_are_compared_by_their_settings(tmp_path, said):
    sweep = make_sweep(tmp_path / "sweep")
    for number, (depth, seed) in enumerate(itertools.product((2, 8), (0, 1, 2))):
        settings = {"model.depth": depth, "seed": seed}
        make_run(sweep / str(number), settings, validation=0.5, test=depth / 10 + seed / 100)
    for seed in range(2):
        settings = {"data.name": "boston", "seed": seed}
        make_run(sweep / f"r{seed}", settings, metric="rmse", validation=3.0, test=4.0 + seed)
    assert said(sweep)[0] == 0
    text = (sweep / "report" / "report.md").read_text()
    assert "| data set | depth 2 | depth 8 |" in text
    assert "| sklearn_digits | 0.2100 (± 0.0100) | 0.8100 (± 0.0100) |" in text
    assert "| boston | 4.5000 (± 0.7071) |" in text


def test_a_report_needs_no_jax(tmp_path, run_code):
    sweep = uci(tmp_path / "sweep", sets=("wine", "iris"))
    done, imported = run_code(f"from snnjax.report.__main__ import main\nmain(['{sweep}'])")
    assert done.returncode == 0, done.stderr
    assert "pandas" in imported
    assert not imported & {"jax", "flax", "optax", "sklearn"}
