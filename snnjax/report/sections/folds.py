"""Cross-validation beside a printed mean: HTRU2."""

import pandas as pd

from snnjax import stats
from snnjax.report import printed
from snnjax.report.evidence import Evidence
from snnjax.report.section import Section, Table


def folds(own: Evidence) -> Section | None:
    """Give the mean over folds beside the printed one, and test methods over folds."""
    by_fold = own.chosen.pivot_table(
        index="data.fold", columns="method", values="score", aggfunc="mean"
    ).reindex(columns=[m for m in own.methods if m in set(own.chosen["method"])])
    if by_fold.empty:
        return None
    told = printed.htru2()
    frame = pd.DataFrame(
        {"mean": by_fold.mean(), "sd": by_fold.std(), "folds": by_fold.notna().sum()}
    )
    frame["printed"] = told["auc"].reindex(frame.index)
    frame["± printed"] = told["pm"].reindex(frame.index)
    frame["difference"] = frame["mean"] - frame["printed"]
    warnings = []
    if (few := frame[frame["folds"] < by_fold.shape[0]]).shape[0]:
        warnings.append(f"not every fold has a result of {', '.join(few.index)}")
    tables = [
        Table(
            "folds",
            frame.reset_index(names="method"),
            f"{own.split.capitalize()} area under the ROC curve: mean and standard deviation over "
            "folds (of seeds the mean), beside the printed mean.",
            {"difference": "+.4f"},
        )
    ]
    whole = by_fold.dropna(axis=1, how="all")
    if len(whole) > 1 and whole.shape[1] > 1:
        tables.append(_tests(whole, told))
    shown = by_fold.reset_index(names="fold").astype({"fold": int})
    tables.append(Table("by_fold", shown, "By test fold."))
    return Section("Beside the printed table", (), tables, warnings=warnings)


def _tests(by_fold: pd.DataFrame, told: pd.DataFrame) -> Table:
    reference = "SNN" if "SNN" in by_fold else str(by_fold.mean().idxmax())
    frame = pd.DataFrame(
        {
            "one-sided p": stats.wilcoxon(by_fold, reference, alternative="greater"),
            "two-sided p": stats.wilcoxon(by_fold, reference),
        }
    )
    frame["two-sided p (Holm)"] = stats.holm(frame["two-sided p"])
    frame["printed one-sided p"] = told["p"].reindex(frame.index) if reference == "SNN" else None
    return Table(
        "wilcoxon",
        frame.reset_index(names="against"),
        f"Wilcoxon's signed-rank test of {reference} over {len(by_fold)} folds; one-sided: "
        f"{reference} is better.",
        dict.fromkeys(frame.columns, ".2g"),
    )
