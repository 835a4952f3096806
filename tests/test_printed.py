"""The printed tables that ship with the package."""

import pytest

from snnjax import printed
from snnjax.config.errors import ConfigError
from snnjax.data import catalog
from snnjax.registry import MODELS

SHAPES = {
    "figure1": (12, 8),
    "glorot_table1": (5, 6),
    "htru2": (10, 5),
    "tox21": (49, 4),
    "uci": (121, 9),
    "uci_classical": (121, 17),
    "uci_ranks": (61, 6),
    "uci_sizes": (121, 9),
}


def test_every_table_is_listed_with_its_source():
    assert printed.names() == tuple(SHAPES)
    for name in printed.names():
        assert printed.read(name).shape == SHAPES[name]
        assert (
            "et al." in printed.source(name)
            or "UCI" in printed.source(name)
            or ("Glorot & Bengio 2010, Table 1" in printed.source(name))
        )


@pytest.mark.parametrize("name", ["uci", "uci_classical", "uci_sizes"])
def test_data_sets_have_the_names_of_the_catalog(name):
    assert set(printed.read(name).index) == set(catalog.uci_table())


def test_sizes_are_those_of_the_catalog():
    points, known = printed.uci_points(), catalog.uci_table()
    assert {name: known[name].rows for name in known} == points.to_dict()
    assert (points >= printed.LARGE).sum() == 46


def test_networks_have_the_names_of_models():
    found = set(printed.uci_accuracies())
    assert found == set(printed.METHODS.values())
    assert found <= set(MODELS)
    assert found <= set(printed.read("tox21")["method"])
    assert found <= set(printed.read("htru2")["method"])
    ranks = printed.read("uci_ranks")
    assert found <= set(ranks.loc[ranks.table == "A13", "method"])
    assert "MS" in printed.read("uci", as_printed=True)


def test_what_is_not_printed_is_missing():
    table = printed.read("tox21").set_index(["method", "depth"])
    assert table.loc[("resnet", 32)].isna().all()
    assert table.loc[("snn", 8), "auc_mean"] == 84.5
    assert printed.uci_accuracies().isna().sum().sum() == 4


def test_no_other_table_is_read():
    with pytest.raises(ConfigError, match=r"printed=toks21: no such table.*did you mean tox21\?"):
        printed.read("toks21")
