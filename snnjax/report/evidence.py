"""The runs of one study, and what all its sections ask of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from snnjax.metric_names import MAXIMIZED
from snnjax.report.printed import printed_points, printed_scores
from snnjax.report.rows import SPLITS
from snnjax.report.selection import GROUP, OPEN, Selection, number_trials, select
from snnjax.report.studies import UNKNOWN, Study, in_order, label


@dataclass(frozen=True)
class Evidence:
    """The runs of one study.

    Attributes:
        study: What they are compared with.
        runs: Their rows of the run table, with `method` and the number of their `trial`.
        sweeps: The folders of their sweeps, with the number of runs there.
    """

    study: Study
    runs: pd.DataFrame
    sweeps: Mapping[Path, int]

    @cached_property
    def selection(self) -> Selection:
        """The trial that stands for each method, data set, fold and seed."""
        return select(self.runs)

    @cached_property
    def split(self) -> str:
        """The split that is compared: test rows where there are any."""
        for split in ("test", "validation"):
            columns = [name for name in self.runs if str(name).startswith(f"{split}.")]
            if self.runs[columns].notna().any(axis=None):
                return split
        return "train"

    @property
    def score_column(self) -> str:
        """The column of the run table that is compared."""
        return f"{self.split}.{self.study.metric}"

    @property
    def is_more_better(self) -> bool:
        """Whether the larger score is the better one."""
        return self.study.metric in MAXIMIZED

    @cached_property
    def methods(self) -> list[str]:
        """All methods, in the order in which they are shown."""
        return [m for m in in_order(self.runs["method"].unique()) if m != UNKNOWN]

    @cached_property
    def chosen(self) -> pd.DataFrame:
        """The chosen runs with their `score`."""
        chosen = self.selection.chosen
        scores = chosen.get(self.score_column, pd.Series(np.nan, index=chosen.index))
        return chosen.assign(score=scores.astype(float))

    def scores(self, fold: int | None = None) -> pd.DataFrame:
        """Return the mean score over seeds, and over folds without `fold`.

        One row per data set, one column per method; missing where no run of a method ended well.
        """
        chosen = self.chosen if fold is None else self.chosen[self.chosen["data.fold"] == fold]
        table = chosen.pivot_table(
            index="data.name", columns="method", values="score", aggfunc="mean"
        )
        return table.reindex(columns=[m for m in self.methods if m in table])

    def complete(self, scores: pd.DataFrame, fold: int | None = None) -> pd.DataFrame:
        """Return the scores of the data sets that every method has a result of, or none to come.

        A method that ended all its runs of a data set in nothing keeps a missing score there.
        """
        runs = self.runs if fold is None else self.runs[self.runs["data.fold"] == fold]
        is_open = runs["status"].isin(OPEN).groupby([runs["data.name"], runs["method"]])
        has_ended = (~is_open.any()).unstack(fill_value=False)
        has_ended = has_ended.reindex(columns=scores.columns, fill_value=False)
        known = scores.reindex(has_ended.index)
        return known[(has_ended | known.notna()).all(axis=1)]

    @property
    def printed_fold(self) -> int | None:
        """The fold that the printed table is of, where it was run; None compares all folds."""
        is_there = bool(self.printed_methods) and bool((self.chosen["data.fold"] == 0).any())
        return 0 if is_there else None

    @cached_property
    def points(self) -> pd.Series:
        """How many points each data set has: as printed, else all splits together."""
        columns = [f"rows.{split}" for split in SPLITS]
        columns = [column for column in columns if column in self.runs]
        rows = self.runs[["data.name", *columns]].dropna().drop_duplicates("data.name")
        own = rows.set_index("data.name").sum(axis=1)
        return printed_points(self.study.name).combine_first(own)

    @cached_property
    def printed(self) -> pd.DataFrame | None:
        """The printed scores, one row per data set, one column per method; None without."""
        return printed_scores(self.study.name)

    @cached_property
    def printed_methods(self) -> list[str]:
        """Methods that the printed table has too."""
        printed = self.printed
        return [] if printed is None else [m for m in self.methods if m in printed]


def evidence(study: Study, runs: pd.DataFrame, sweeps: Mapping[Path, int]) -> Evidence:
    """Return the evidence of a study from its rows of the run table."""
    runs = runs.assign(method=label(runs, study))
    runs["trial"] = number_trials(runs.drop(columns="method"))
    homes = set(runs["home"])
    return Evidence(study, runs, {p: n for p, n in sweeps.items() if str(p) in homes})


def repetitions(chosen: pd.DataFrame) -> pd.DataFrame:
    """Return mean, standard deviation and number of the scores of each data set and method."""
    grouped = chosen.groupby(["data.name", "method"], sort=False)["score"]
    return grouped.agg(["mean", "std", "count"]).reset_index()


__all__ = ["GROUP", "Evidence", "evidence", "repetitions"]
