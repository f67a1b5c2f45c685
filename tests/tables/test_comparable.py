"""What a ranking may compare, from hand-made records."""

from benchmark.tables.comparable import comparable
from tests.helpers import runs


def test_data_sets_of_few_models_decide_nothing():
    """Else who ran on many of them alone would be ranked alone."""
    models = "abcdefgh"
    records = [r for d in ("d1", "d2") for m in models for r in runs(m, d, [0.9, 0.8, 0.7])]
    records += [r for d in ("e1", "e2", "e3") for r in runs("a", d, [0.5])]
    scores, left_out = comparable(records, "paper")
    assert {m: list(by_dataset) for m, by_dataset in scores.items()} == {m: ["d1", "d2"] for m in models}
    assert left_out == [f"{d} is left out: few of the models have runs on it" for d in ("e1", "e2", "e3")]


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
