"""What a ranking may compare, from hand-made records."""

from benchmark.tables.comparable import comparable, seeds_run
from tests.helpers import record, runs


def test_data_sets_of_few_models_decide_nothing():
    """Else who ran on many of them alone would be ranked alone."""
    models = "abcdefgh"
    records = [r for d in ("d1", "d2") for m in models for r in runs(m, d, [0.9, 0.8, 0.7])]
    records += [r for d in ("e1", "e2", "e3") for r in runs("a", d, [0.5])]
    scores, left_out = comparable(records, "paper")
    assert {m: list(by_dataset) for m, by_dataset in scores.items()} == {m: ["d1", "d2"] for m in models}
    assert left_out == [
        f"{d} is left out: few of the models have good runs on it" for d in ("e1", "e2", "e3")
    ]


def test_a_data_set_counts_on_which_a_fifth_of_the_models_ran():
    records = [r for d in ("d1", "d2") for m in "abcde" for r in runs(m, d, [0.9])]
    records += runs("a", "e", [0.5])
    assert comparable(records, "paper")[1] == ["e is left out: not every ranked model has good runs on it"]
    records += [r for d in ("d1", "d2") for r in runs("f", d, [0.9])]
    assert comparable(records, "paper")[1] == ["e is left out: few of the models have good runs on it"]


def test_half_of_the_data_sets_is_not_enough():
    records = [r for d in ("d1", "d2", "d3", "d4") for m in "abcd" for r in runs(m, d, [0.9])]
    scores, left_out = comparable(
        [*records, *(r for d in ("d1", "d2") for r in runs("e", d, [0.5]))], "paper"
    )
    assert sorted(scores) == [*"abcd"]
    assert left_out == ["not ranked are models with good runs on no more than half of the 4 data sets: e (2)"]


def test_only_the_presets_under_the_neutral_protocol_at_this_budget_are_ranked():
    records = [r for d in ("d1", "d2") for m in "ab" for r in runs(m, d, [0.9, 0.8])]
    others = [
        *runs("a", "d1", [0.1], protocol="pooled", digest="pooled"),
        *runs("a", "d1", [0.1], budget="quick"),
        *runs("a", "d1", [0.1], config={"latent": 2}, overrides={"latent": 2}),
        *runs("c", "d1", [0.1], protocol="held-out"),
    ]
    assert comparable([*records, *others], "paper")[0].keys() == {"a", "b"}
    cells = [*comparable([*others, *records], "paper")[0].values()]
    assert {tuple(x) for by_dataset in cells for x in by_dataset.values()} == {(0.9, 0.8)}


def test_runs_that_ended_badly_have_no_score_but_were_run():
    records = [r for d in ("d1", "d2") for m in "ab" for r in runs(m, d, [0.9, 0.8])]
    records += [record("a", "d1", 2, status="diverged"), record("a", "d3", 0, status="failed")]
    scores, _ = comparable(records, "paper")
    assert {m: [*by_dataset] for m, by_dataset in scores.items()} == {"a": ["d1", "d2"], "b": ["d1", "d2"]}
    assert len(scores["a"]["d1"]) == 2
    assert seeds_run(records, "paper") == {"a": {"d1": 3, "d2": 2, "d3": 1}, "b": {"d1": 2, "d2": 2}}


def test_points_that_two_data_sets_share_count_once():
    def of(dataset, a, b, points_of=None):
        data = {"title": dataset, "points_of": points_of}
        return [*runs("a", dataset, [a] * 3, data=data), *runs("b", dataset, [b] * 3, data=data)]

    whole, part, other = of("whole", 0.9, 0.5), of("part", 0.1, 0.6, "whole"), of("other", 0.8, 0.4)
    scores, left_out = comparable([*whole, *part, *other], "paper")
    assert list(scores["a"]) == ["other", "whole"]
    assert left_out == ["part is left out: its points are those of whole"]
    scores, left_out = comparable([*part, *other, *of("small", 0.2, 0.3, "whole")], "paper")
    assert list(scores["a"]) == ["other", "part"]
    assert left_out == ["small is left out: its points are those of part"]


def test_of_shared_points_the_data_set_stays_that_more_models_have():
    """One run of one model on the origin must not cost all others theirs."""
    part = {"title": "part", "points_of": "whole"}
    records = [r for m in "abc" for r in runs(m, "part", [0.5] * 3, data=part)]
    records += runs("a", "whole", [0.9], data={"title": "whole", "points_of": None})
    scores, left_out = comparable(records, "paper")
    assert {m: list(found) for m, found in scores.items()} == {m: ["part"] for m in "abc"}
    assert left_out == ["whole is left out: its points are those of part"]


def test_own_data_are_ranked_among_themselves_only():
    def of(dataset, a, b, **more):
        return [*runs("a", dataset, [a] * 3, **more), *runs("b", dataset, [b] * 3, **more)]

    own = of("cells-123abc", 0.9, 0.1, asked={"dataset": "/data/cells.npz", "plugins": []})
    suite = of("digits", 0.5, 0.6, asked={"dataset": "digits", "plugins": []})
    scores, left_out = comparable([*own, *suite], "paper")
    assert list(scores["a"]) == ["digits"]
    assert left_out == ["cells-123abc is left out: own data may have points of the others"]
    scores, left_out = comparable(own, "paper")
    assert list(scores["a"]) == ["cells-123abc"]
    assert left_out == []


def test_the_same_seeds_on_another_device_are_no_further_seeds():
    def both(model, dataset, values):
        found = [*runs(model, dataset, values), *runs(model, dataset, values, digest=f"{model} on cuda")]
        for r in found[len(values) :]:
            r["key"]["device"] = "cuda"
        return found

    cells = comparable([r for name in "ab" for d in "de" for r in both(name, d, [0.8, 0.9, 0.7])], "paper")[0]
    assert {len(x) for by_dataset in cells.values() for x in by_dataset.values()} == {3}
