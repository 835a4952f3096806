"""The sections of a report against printed tables, closed forms and tables made by hand."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from made_runs import make_run, make_sweep

from snnjax import printed
from snnjax.report.chapters import studies
from snnjax.report.sections.beside import beside, compare
from snnjax.report.sections.comparison import comparison
from snnjax.report.sections.curves import curves
from snnjax.report.sections.errors import errors
from snnjax.report.sections.folds import folds
from snnjax.report.sections.grid import edges, infeasible, selected, shares_on_edges
from snnjax.report.sections.ranks import pairs, ranks, significance, sizes
from snnjax.report.sections.search import best_with, expected_best, isolation
from snnjax.report.sections.spread import ours, spread
from snnjax.report.sections.tasks import tasks
from snnjax.report.table import RunTable, complete, run_table

PRINTED = {"SNN": -0.756, "MSRAinit": -0.223, "LayerNorm": -0.194, "Highway": 0.017}
PRINTED |= {"ResNet": 0.264, "WeightNorm": 0.384, "BatchNorm": 0.508}
ONE_SIDED = {"MSRAinit": 2.8e-2, "LayerNorm": 1.5e-2, "Highway": 1.9e-3, "ResNet": 5.4e-4}


def evidence_of(runs):
    """Return the evidence of a table of runs made by hand."""
    (own,) = studies(RunTable(complete(runs.assign(home="")), {}))
    return own


def table_of(section, name):
    """Return a table of a section by its name, its first column as index."""
    (table,) = [table for table in section.tables if table.name == name]
    return table.frame.set_index(table.frame.columns[0])


@pytest.fixture(scope="module")
def as_printed():
    """Return the runs that the printed table of the UCI sets would come from."""
    accuracies, rows = printed.uci_accuracies(), printed.uci_test_rows()
    stacked = accuracies.stack(future_stack=True).rename("test.accuracy").reset_index()
    stacked.columns = ["data.name", "model.name", "test.accuracy"]
    runs = stacked.assign(
        **{"data.fold": 0, "seed": 0, "status": "done", "training.monitor": "accuracy"},
        **{"sweep.study": "uci", "objective": 0.5, "epochs": 1, "best_epoch": 1, "seconds": 1.0},
    )
    runs["rows.test"] = runs["data.name"].map(rows)
    runs["status"] = runs["status"].where(runs["test.accuracy"].notna(), "diverged")
    return evidence_of(runs)


def test_the_printed_table_has_the_printed_ranks(as_printed):
    section = ranks(as_printed)
    found = table_of(section, "ranks")
    for column in ("rank difference", "printed rank difference"):
        assert found[column].round(3).to_dict() == PRINTED
    assert found["mean accuracy"].round(4)["SNN"] == 0.8139
    np.testing.assert_allclose(found["difference of means"], 0, atol=1e-12)
    assert len(section.pictures) == 1


def test_the_printed_table_has_the_printed_p_values(as_printed):
    found = table_of(significance(as_printed), "wilcoxon")
    for column in ("one-sided p", "printed one-sided p, same sets"):
        for method, p in ONE_SIDED.items():
            assert found.at[method, column] == pytest.approx(p, rel=0.06)
    assert found.at["MSRAinit", "two-sided p"] == pytest.approx(0.055, abs=6e-4)
    holm = found["two-sided p"].sort_values() * np.arange(6, 0, -1)
    expected = holm.cummax().clip(upper=1).reindex(found.index)
    np.testing.assert_allclose(found["two-sided p (Holm)"], expected)


def test_sets_are_split_at_a_thousand_points(as_printed):
    section = sizes(as_printed)
    assert [table.name for table in section.tables] == ["ranks_small", "ranks_large"]
    assert "Over 75 data sets" in section.tables[0].caption
    assert "Over 46 data sets" in section.tables[1].caption
    large = table_of(section, "ranks_large")["mean accuracy"].round(4)
    assert large.to_dict()["SNN"] == 0.8647
    assert large.to_dict()["BatchNorm"] == 0.8350


def test_the_printed_table_does_not_differ_from_itself(as_printed):
    found = compare(as_printed)
    assert len(found) == printed.uci_accuracies().notna().sum().sum()
    assert (found["difference"] == 0).all()
    assert found["inside"].all()
    assert (found["expected"] >= 0).all()
    section = beside(as_printed)
    assert not (table_of(section, "beside_by_method")["mean |difference|"] > 0).any()


def test_what_lies_outside_the_interval_is_marked():
    accuracy, rows = printed.uci_accuracies().at["letter", "snn"], printed.uci_test_rows()["letter"]
    noise = np.sqrt(accuracy * (1 - accuracy) / rows)
    base = {"data.fold": 0, "status": "done", "training.monitor": "accuracy", "objective": 0.5}
    base |= {"data.name": "letter", "model.name": "snn", "sweep.study": "uci", "rows.test": rows}
    for steps, mark in ((0.5, ""), (1.5, ""), (3.0, "off"), (-3.0, "off")):
        runs = pd.DataFrame([base | {"seed": 0, "test.accuracy": accuracy + steps * noise}])
        section = beside(evidence_of(runs))
        (table,) = [table for table in section.tables if table.name == "beside_by_set"]
        assert table.marks["SNN"].tolist() == [mark]
        assert table.below["SNN"].tolist() == [accuracy]


def searched(values, column="test.accuracy", **more):
    """Return runs of one network on one set: (objective, score, status) each with its own rate."""
    runs = pd.DataFrame(values, columns=["objective", column, "status"])
    runs["optimizer.learning_rate"] = [10.0 ** -len(runs) * 10**place for place in range(len(runs))]
    runs = runs.assign(**{"data.name": "wine", "data.fold": 0, "seed": 0, "model.name": "snn"})
    return runs.assign(**{"training.monitor": "accuracy", "sweep.study": "uci"} | more)


def test_the_best_of_k_trials_is_the_mean_over_all_choices_of_k():
    values = [(0.7, 0.6, "done"), (0.9, 0.5, "done"), (0.8, 0.75, "done"), (0.6, 0.9, "done")]
    found = expected_best(evidence_of(searched(values)))["SNN"]
    for k in range(1, 5):
        chosen = [max(picked)[1] for picked in combinations(values, k)]
        assert found[k] == pytest.approx(np.mean(chosen))


def test_chosen_values_on_an_edge_are_warned_of():
    values = [(0.7, 0.6, "done"), (0.8, 0.5, "done"), (0.9, 0.7, "done")]
    own = evidence_of(searched(values))
    (warning,) = edges(own).warnings
    assert warning.startswith("SNN: 100% of the chosen trials have optimizer.learning_rate = 0.1, ")
    assert "the highest value searched" in warning
    inside = evidence_of(searched([values[0], values[2], values[1]]))
    assert not edges(inside).warnings
    assert (shares_on_edges(inside)["share"] == 0).all()
    zero = searched(values)
    zero["optimizer.learning_rate"] = [2.0, 1.0, 0.0]
    assert not edges(evidence_of(zero)).warnings  # nothing lies beyond 0


def test_diverged_runs_are_counted_by_rate_and_sets_without_a_result_are_named():
    own = evidence_of(
        pd.concat(
            [
                searched([(0.7, 0.6, "done"), (0.8, 0.5, "diverged")]),
                searched([(0.7, 0.6, "diverged"), (0.8, 0.5, "failed")], **{"data.name": "iris"}),
            ],
            ignore_index=True,
        )
    )
    section = infeasible(own)
    assert table_of(section, "runs").loc["SNN"].tolist() == [2, 4, 1, 2, 1, 0]
    assert table_of(section, "infeasible").loc["SNN"].to_dict() == {"0.01": 0.5, "0.1": 1.0}
    assert any("SNN: no run ended well for 1 of" in w and "iris" in w for w in section.warnings)


def test_a_parameter_alone_is_judged_by_the_best_of_the_others():
    grid = [(d, r) for d in (2, 8) for r in (0.1, 1.0)]
    runs = pd.concat([searched([(0.5, 0.5, "done")]) for _ in range(8)], ignore_index=True)
    runs["model.depth"] = [d for d, _ in grid] * 2
    runs["optimizer.learning_rate"] = [r for _, r in grid] * 2
    runs["seed"] = [0] * 4 + [1] * 4
    runs["objective"] = [0.1, 0.4, 0.3, 0.2, 0.5, 0.2, 0.9, 0.7]
    own = evidence_of(runs)
    found = best_with(own.runs, "model.depth").set_index("value")["best"]
    assert found.to_dict() == pytest.approx({2: (0.4 + 0.5) / 2, 8: (0.3 + 0.9) / 2})
    section = isolation(own)
    assert set(section.tables[0].frame["parameter"]) == {"model.depth", "optimizer.learning_rate"}
    depths = table_of(selected(own), "depth")
    assert depths.loc["SNN", "mean depth"] == 5  # 2 for one seed, 8 for the other
    assert depths.loc["SNN", "printed"] == 10.8


def test_seeds_are_spread_and_resampled(tmp_path):
    runs = []
    for method, shift in (("snn", 0.1), ("msra", 0.0)):
        for data, seed in ((d, s) for d in ("wine", "iris", "car") for s in (0, 1)):
            row = searched([(0.5, 0.6 + shift + 0.02 * seed, "done")], **{"data.name": data})
            runs.append(row.assign(**{"model.name": method, "seed": seed}))
    own = evidence_of(pd.concat(runs, ignore_index=True))
    found = table_of(spread(own), "spread")
    assert found.loc["SNN", "sd"] == pytest.approx(0.02 / np.sqrt(2))
    assert found.loc["SNN", "largest"] == pytest.approx(0.02)
    against = table_of(pairs(own), "pairs").loc["MSRAinit"]
    assert against[["win", "tie", "loss", "P(better)"]].tolist() == [3, 0, 0, 1]
    (scores,) = ours(own).tables
    assert scores.frame["SNN"].tolist() == pytest.approx([0.71] * 3)
    assert scores.below["SNN"].tolist() == ["± 0.0141"] * 3


def test_htru2_is_the_mean_over_folds_beside_the_printed_mean():
    areas = np.linspace(0.97, 0.99, 10)
    runs = pd.concat(
        [
            searched(
                [(0.5, area * (0.99 if name == "msra" else 1), "done")], "test.roc_auc"
            ).assign(**{"model.name": name, "data.fold": fold, "sweep.study": "htru2"})
            for name in ("snn", "msra")
            for fold, area in enumerate(areas)
        ],
        ignore_index=True,
    ).assign(**{"training.monitor": "roc_auc"})
    section = folds(evidence_of(runs))
    found = table_of(section, "folds")
    assert found.loc["SNN", ["mean", "printed", "folds"]].tolist() == [
        pytest.approx(0.98), 0.9803, 10,
    ]  # fmt: skip
    assert found.loc["SNN", "sd"] == pytest.approx(areas.std(ddof=1))
    p = table_of(section, "wilcoxon").loc["MSRAinit"]
    assert p["one-sided p"] == pytest.approx(0.5**10)  # better on each of ten folds
    assert p["printed one-sided p"] == 0.35


def test_tox21_has_a_choice_for_each_depth_and_areas_of_single_tasks():
    runs = pd.concat(
        [
            searched([(0.8, 0.81, "done"), (0.9, 0.83, "done")], "test.roc_auc").assign(
                **{"model.depth": [2, 8], "seed": seed, "test.roc_auc.NR-AhR": [0.7, 0.9]}
            )
            for seed in (0, 1)
        ],
        ignore_index=True,
    ).assign(**{"training.monitor": "roc_auc", "sweep.study": "tox21"})
    section = tasks(evidence_of(runs))
    found = table_of(section, "tasks").loc["SNN"]
    assert found[["mean", "best printed", "at depth"]].tolist() == [0.83, 0.845, 8]
    (table,) = [table for table in section.tables if table.name == "by_depth"]
    assert table.frame.iloc[0].tolist() == ["SNN", 0.81, 0.83]
    assert table.below.iloc[0].tolist() == pytest.approx([0.837, 0.845])
    assert table_of(section, "by_task").loc["NR-AhR", "SNN"] == 0.9


def test_the_time_to_the_best_epoch_is_its_share_of_training():
    rows = [{"best_epoch": best, "epochs": 20, "training_seconds": 10.0} for best in (4, 8)]
    runs = pd.concat([searched([(0.5, 0.5 + r["best_epoch"] / 100, "done")]) for r in rows])
    runs = runs.reset_index(drop=True).assign(**pd.DataFrame(rows), seed=[0, 1])
    runs = runs.assign(**{"sweep.study": "keras", "test.macro_f1": [0.25, 0.75]})
    (table,) = comparison(evidence_of(runs)).tables
    row = table.frame.iloc[0]
    assert row["best epoch"] == "6.0 ± 2.8"
    assert row["seconds to best"] == "3.0 ± 1.4"
    assert row["test accuracy"] == "0.5600 ± 0.0283"
    assert row["test F1 (macro)"] == "0.5000 ± 0.3536"


def test_each_data_set_is_judged_by_its_own_metric_though_the_study_has_several(tmp_path):
    sweep = make_sweep(tmp_path)
    study = {"sweep.study": "keras"}
    make_run(sweep / "0", study | {"data.name": "cifar10"}, validation=0.5, test=0.5)
    boston = study | {"data.name": "boston"}
    make_run(sweep / "1", boston, metric="r2", validation=0.75, test=0.875)
    (own,) = studies(run_table([sweep]))
    (table,) = comparison(own).tables
    rows = table.frame.set_index("data set")
    assert rows.loc["boston", "test R²"] == "0.8750"
    assert rows.loc["cifar10", "test accuracy"] == "0.5000"
    assert rows.loc["cifar10", "test R²"] == ""


def test_curves_are_read_beside_the_points_of_the_printed_figure(tmp_path):
    sweep = make_sweep(tmp_path)
    told = printed.read("figure1").set_index(["dataset", "network", "depth"])
    for seed, factor in enumerate((1.0, 3.0)):
        settings = {"sweep.study": "figure1", "data.name": "mnist", "seed": seed}
        losses = [factor] * 600
        make_run(sweep / str(seed), settings | {"model.depth": 8}, validation=0, losses=losses)
    (own,) = studies(run_table([sweep]))
    section = curves(own)
    rows = section.tables[0].frame.set_index("epoch")
    assert rows["ours"].to_dict() == {250: 2.0, 500: 2.0, 600: 2.0}
    assert rows.loc[250, "printed"] == told.loc[("MNIST", "SNN", 8), "ep250"]
    assert rows.loc[250, "ours / printed"] == pytest.approx(2 / 1.1e-3)
    assert len(section.pictures) == 1


def test_glorots_errors_are_in_percent_beside_the_printed_ones():
    rows = [("tanh", "uniform", 0.98), ("tanh", "glorot_uniform", 0.99), ("softsign", "uniform", 1)]
    runs = pd.concat(
        [
            searched([(0.5, score, "done")]).assign(
                **{"model.activation": activation, "model.init": init, "model.name": "mlp"}
            )
            for activation, init, score in rows
        ],
        ignore_index=True,
    ).assign(**{"data.name": "mnist", "sweep.study": "glorot_table1"})
    section = errors(evidence_of(runs))
    table = section.tables[0]
    assert table.frame["network"].tolist() == ["Softsign", "Tanh", "Tanh N"]
    assert table.frame["MNIST"].tolist() == pytest.approx([0, 2, 1])
    assert table.below["MNIST"].tolist() == ["1.64", "1.76", "1.64"]
    beside_it = table_of(section, "errors_beside")
    assert beside_it.loc["Tanh", "difference"] == pytest.approx(2 - 1.76)
