"""The published numbers: the file is sound, and numbers that a test can check are as their sources have
them.
"""

import re

import pytest

from benchmark.errors import UserError
from benchmark.papers.published import _read, numbers, paper, papers
from benchmark.papers.runs import studies

FRACTIONS = (
    "accuracy",
    "purity",
    "exemplar_accuracy",
    "nmi_geometric",
    "nmi",
    "ari",
    "unknown",
    "unknown_nmi",
)


def find(paper_name, table, method, dataset, metric):
    wanted = (paper_name, table, method, dataset, metric)
    (found,) = [n for n in numbers() if (n.paper.name, n.table, n.method, n.dataset, n.metric) == wanted]
    return found


def test_every_number_has_its_provenance_and_no_two_are_the_same():
    keys = [(n.paper.name, n.table, n.method, n.dataset, n.metric) for n in numbers()]
    assert len(set(keys)) == len(keys)
    assert all(n.source for n in numbers())
    assert all(0 <= n.value <= 1 and 0 <= (n.std or 0) < 0.2 for n in numbers() if n.metric in FRACTIONS)
    assert {n.paper.name for n in numbers()} == set(papers())
    of_papers = {"mpcc", "clustergan", "kvaes", "gmvae", "vade"}
    assert set(papers()) >= of_papers | {"dec", "idec", "dcn", "vae", "aae", "n2d", "umap_hdbscan", "mfcvae"}


@pytest.mark.parametrize(
    ("name", "table", "method", "dataset", "metric", "value", "std", "seen"),
    [
        ("clustergan", "readme", "ClusterGAN", "mnist", "purity", 0.9097, 0.0398, True),
        ("clustergan", "readme", "ClusterGAN", "pendigits", "ari", 0.6336, 0.0177, True),
        ("clustergan", "wrong-k", "K = 7", "mnist", "purity", 0.60, None, True),
        ("kvaes", "likelihood", "kVAEs", "modes9", "kde_log_likelihood", -2.51, None, True),
        ("kvaes", "fid", "kVAEs, K = 15", "mnist", "fid", 9.99, None, True),
        ("gmvae", "best-confirmed", "K = 16, M = 10", "mnist", "exemplar_accuracy", 0.9692, None, True),
        ("gmvae", "mean", "K = 10, M = 1", "mnist", "exemplar_accuracy", 0.7778, 0.0575, False),
        ("vade", "released", "VaDE", "mnist", "accuracy", 0.9446, None, True),
        ("dec", "keras", "DEC", "mnist", "accuracy", 0.912, 0.0469, True),
        ("dec", "paper", "DEC", "mnist", "accuracy", 0.843, None, False),
        ("idec", "quoted", "IDEC", "mnist", "accuracy", 0.881, None, True),
        ("dcn", "quoted", "DCN", "mnist", "ari", 0.75, None, True),
        ("aae", "quoted", "K = 16", "mnist", "exemplar_accuracy", 0.9045, 0.0205, True),
        ("mfcvae", "clustering", "MFCVAE", "mnist", "purity", 0.92, 0.03, True),
        ("umap_hdbscan", "documentation", "UMAP + HDBSCAN", "mnist", "ari", 0.924, None, True),
        ("mpcc", "clustering", "MPCC", "cifar10", "purity", 0.6425, 0.0531, False),
    ],
)
def test_numbers_are_as_published(name, table, method, dataset, metric, value, std, seen):
    number = find(name, table, method, dataset, metric)
    assert number.value == pytest.approx(value)
    assert number.std == (None if std is None else pytest.approx(std))
    assert number.seen == seen


def test_accuracy_is_called_what_each_source_computes():
    assert {n.metric for n in numbers() if n.paper.name == "gmvae"} == {"exemplar_accuracy"}
    assert {n.metric for n in numbers() if n.paper.name == "vade" and n.model} <= {"accuracy", "nmi", "ari"}
    assert "accuracy" not in {n.metric for n in numbers() if n.paper.name in ("mpcc", "clustergan")}


def test_no_number_of_ours_stands_beside_clustergans_own_fid():
    assert not [n for n in numbers() if n.metric == "fid_of_the_paper" and n.model]


def test_models_settings_and_data_sets_exist():
    from benchmark.registry import Registry

    registry = Registry()
    wanted = [(n.model, n.set) for n in numbers() if n.model] + [
        (s.model, v) for s in studies().values() for v in s.variants
    ]
    for model, settings in wanted:
        assert set(settings) <= {*registry.model(model).Config.__dataclass_fields__}, (model, settings)
    assert {p.model for p in papers().values()} <= set(registry.models)
    # a method without a model of ours may have been measured on data that the suite lacks
    on = {n.dataset for n in numbers() if n.model}.union(*(s.datasets for s in studies().values()))
    assert on <= set(registry.datasets)


ENTRIES = """
[paper.p]
title = "t"
model = "m"
protocol = "neutral"
rule = "default"
runs = 5
notes = []

[[table]]
paper = "p"
name = "n"
title = "t"
metric = "accuracy"
split = "test"
statistic = "mean"
selection = "none"
source = "s"
seen = true
[[table.rows]]
method = "M"
values = { mnist = 0.9 }
"""


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('"test"', '"train+test"', "table p.n: split is 'train+test', expected one of test, train, all"),
        (
            '"accuracy"',
            '"acuracy"',
            "unknown metric of published.toml, table p.n: 'acuracy'; did you mean acc",
        ),
        (
            'metric = "accuracy"',
            "",
            "published.toml, table p.n has no metric, which its number for mnist needs",
        ),
        ("seen = true", "", "published.toml, table p.n has no seen; it needs paper, name, title"),
        ("seen =", "saw = true\nseen =", "unknown key of published.toml, table p.n: 'saw'"),
        ("method", "model", "table p.n, row None has no method; it needs method, values"),
        ("runs = 5", "", "published.toml, paper p has no runs; it needs title"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, right, wrong, message):
    file = tmp_path / "p.toml"
    file.write_text(ENTRIES)
    assert [number.value for number in _read(file)[1]] == [0.9]
    file.write_text(ENTRIES.replace(right, wrong))
    with pytest.raises(UserError, match=re.escape(message)):
        _read(file)


def test_an_unknown_paper_lists_near_names():
    with pytest.raises(UserError, match="did you mean clustergan"):
        paper("clustergam")
