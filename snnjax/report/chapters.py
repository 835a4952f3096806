"""From the run table to the chapters of a report."""

from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from snnjax.report.evidence import Evidence, evidence
from snnjax.report.section import Chapter, Report, Section, several
from snnjax.report.sections.beside import beside
from snnjax.report.sections.comparison import comparison
from snnjax.report.sections.curves import curves
from snnjax.report.sections.errors import errors
from snnjax.report.sections.folds import folds
from snnjax.report.sections.grid import edges, infeasible, selected
from snnjax.report.sections.ranks import comparable, pairs, ranks, significance, sizes
from snnjax.report.sections.reproducibility import reproducibility, version_warnings
from snnjax.report.sections.search import budget, isolation
from snnjax.report.sections.spread import ours, spread
from snnjax.report.sections.tasks import tasks
from snnjax.report.studies import STUDIES, has_metric, study_of
from snnjax.report.table import RunTable

SECTIONS: Mapping[str, Callable[[Evidence], Section | None]] = {
    "beside": beside,
    "ranks": ranks,
    "significance": significance,
    "pairs": pairs,
    "sizes": sizes,
    "spread": spread,
    "budget": budget,
    "isolation": isolation,
    "edges": edges,
    "infeasible": infeasible,
    "selected": selected,
    "ours": ours,
    "folds": folds,
    "tasks": tasks,
    "comparison": comparison,
    "curves": curves,
    "errors": errors,
}
"""The sections that studies name, each from evidence, or None where nothing fits."""


def make_report(table: RunTable) -> Report:
    """Return the report of a run table: a chapter for each study."""
    runs = table.runs
    status = runs["status"].value_counts()
    told = ", ".join(f"{count:,} {name}" for name, count in status.items())
    hours = runs["seconds"].sum() / 3600
    folders = several(len(table.sweeps), "folder")
    summary = [f"{several(len(runs), 'run')} in {folders}: {told}; {hours:.2f} hours of training."]
    chapters = [chapter(own) for own in studies(table)]
    return Report(
        "Report", summary, [*table.notes, *version_warnings(runs)], [c for c in chapters if c]
    )


def studies(table: RunTable) -> Iterator[Evidence]:
    """Yield the evidence of each study; runs of no study by whether targets are numbers."""
    names = _study_names(table.runs)
    for name in sorted(names.unique(), key=lambda name: (name == "", name)):
        runs = table.runs[names == name]
        for part in (runs,) if name in STUDIES else _by_task(runs):
            yield evidence(study_of(name or None, part), part, table.sweeps)


def _study_names(runs: pd.DataFrame) -> pd.Series:
    """Return the study of each run; of one without a configuration that of others of its sweep."""
    names = runs["sweep.study"].astype(object)
    known = names.groupby(runs["home"]).transform(lambda own: next(iter(own.dropna()), None))
    return names.where(runs["model.name"].notna(), known).fillna("").astype("str")


def _by_task(runs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield runs of classes and runs of numbers apart, without a result with the former."""
    is_regression = pd.Series(False, index=runs.index)
    if has_metric(runs, "rmse"):
        columns = [c for c in ("test.rmse", "validation.rmse", "train.rmse") if c in runs]
        data = runs.loc[runs[columns].notna().any(axis=1), "data.name"].unique()
        is_regression = runs["data.name"].isin(data)
    for part in (runs[~is_regression], runs[is_regression]):
        if len(part):
            yield part


def chapter(own: Evidence) -> Chapter:
    """Return all sections of one study, the last of which is how to run it again."""
    study = own.study
    made = [SECTIONS[name](own) for name in study.sections]
    sections = [section for section in made if section is not None]
    sections.append(reproducibility(own))
    return Chapter(study.name or "runs", study.title, _summary(own), sections)


def _summary(own: Evidence) -> list[str]:
    """Say in a few sentences what was compared and what came out."""
    runs, about = own.runs, own.study.about
    done = runs[runs["status"] == "done"]
    if done.empty and not own.chosen.size:
        return [about, f"None of {len(runs):,} runs is done yet."]
    counts = (
        f"{several(runs['method'].nunique(), 'method')} on "
        f"{several(runs['data.name'].nunique(), 'data set')}, "
        f"{several(runs['data.fold'].nunique(), 'fold')} and "
        f"{several(runs['seed'].nunique(), 'seed')}: {several(len(runs), 'run')} of "
        f"{several(own.selection.counts['trials'].sum(), 'trial')}, {len(done):,} done."
    )
    told = [about, counts]
    scores = comparable(own)
    if scores is not None and "ranks" in own.study.sections:
        means = scores.dropna().mean().sort_values(ascending=not own.is_more_better)
        best = ", ".join(f"{name} {value:.4f}" for name, value in means.items())
        told.append(f"Mean {own.study.metric} over {len(scores.dropna())} data sets: {best}.")
    return told + own.selection.notes
