"""FID in tables, from hand-made records: means, what may share a column, reasons for gaps, values to compare
with.
"""

import subprocess
import sys

import pandas as pd

from benchmark.tables.means import build


def entry(value=5.0, n=10_000, extractor="abcdef123", split="test", references=True, singular=False, **more):
    known = {
        "floor": {"value": 1.25, "n": n, "what": "train images"},
        "ceiling": {"value": 40.0, "n": n, "what": "a Gaussian per class in pixel space"},
    }
    return {
        "version": 1,
        "value": value,
        "draws": [value],
        "n": n,
        "split": split,
        "extractor": extractor,
        "singular": singular,
        "references": known if references else None,
        **more,
    }


def record(model="a", seed=0, fid=None, split="test", status="ok", **config):
    config = {"n_clusters": 10, **config}
    return {
        "status": status,
        "key": {
            "dataset": "mnist",
            "model": model,
            "budget": "quick",
            "protocol": "neutral",
            "config": config,
        },
        "digest": f"{model}{sorted(config.items())}",
        "seed": seed,
        "seconds": {"train": 1.0},
        "provenance": {"device": "cpu"},
        "metrics": {s: {"default": {"n": 5, "accuracy": 0.5}} for s in ("test", "train")},
        **({} if fid is None else {"fid": fid}),
    }


def shown(*records):
    (table,) = build(records)
    return table, {(r["model"], r["split"]): r for r in table.text().to_dict("records")}


def test_mean_and_deviation_stand_in_the_row_of_the_real_split():
    table, rows = shown(*(record(seed=i, fid={"clf": entry(v)}) for i, v in enumerate([4.0, 6.0])))
    assert rows["a", "test"]["FID-clf"] == "5.00 ± 1.41"
    assert rows["a", "train"]["FID-clf"] == "–"
    assert "FID" not in table.shown
    assert any("distance of 10,000 samples from 10,000 test images" in note for note in table.notes)


def test_the_two_extractors_never_share_a_column():
    _, rows = shown(record(fid={"clf": entry(4.0), "inception": entry(30.0, extractor="other")}))
    assert (rows["a", "test"]["FID-clf"], rows["a", "test"]["FID"]) == ("4.00", "30.00")


def test_other_numbers_of_images_or_extractors_get_columns_of_their_own():
    _, rows = shown(
        record("a", fid={"clf": entry(4.0)}),
        record("b", fid={"clf": entry(9.0, n=50_000)}),
        record("c", fid={"clf": entry(7.0, extractor="fedcba987")}),
    )
    assert rows["a", "test"]["FID-clf, N = 10,000, abcdef, version 1"] == "4.00"
    assert rows["b", "test"]["FID-clf, N = 10,000, abcdef, version 1"] == "–"
    assert rows["b", "test"]["FID-clf, N = 50,000, abcdef, version 1"] == "9.00"
    assert rows["c", "test"]["FID-clf, N = 10,000, fedcba, version 1"] == "7.00"


def test_values_of_an_older_definition_stand_apart():
    _, rows = shown(
        record("a", fid={"clf": entry(4.0)}), record("b", fid={"clf": {**entry(9.0), "version": 2}})
    )
    assert rows["a", "test"]["FID-clf, N = 10,000, abcdef, version 1"] == "4.00"
    assert rows["b", "test"]["FID-clf, N = 10,000, abcdef, version 2"] == "9.00"


def test_a_missing_value_says_why_and_what_to_do():
    missing = {"missing": "weights"}
    table, rows = shown(
        record("a", fid={"clf": entry(), "inception": missing}),
        record("kmeans", fid={}),
        record("old"),
        record("b", fid={"clf": missing, "inception": missing}),
    )
    assert rows["b", "test"]["FID-clf"] == "n/a"
    assert rows["old", "test"]["FID-clf"] == rows["kmeans", "test"]["FID-clf"] == "–"
    (note,) = [note for note in table.notes if note.startswith("no value (n/a): ")]
    assert "FID-clf of b: " in note
    assert "FID of a, b: the Inception weights were not there; `python -m benchmark fid-weights`" in note


def test_a_column_without_any_value_is_not_there():
    table, rows = shown(record("a", fid={"clf": entry(), "inception": {"missing": "weights"}}))
    assert "FID" not in rows["a", "test"]
    assert not [column for column in table.values if "inception" in column]
    assert len([note for note in table.notes if "FID of a" in note]) == 1


def test_a_value_of_one_model_and_none_of_another():
    found = [
        record("a", fid={"inception": entry(3.0)}),
        record("b", fid={"inception": {"missing": "not asked for"}}),
        record("c", fid={"inception": {"missing": "images hold 3 values that are NaN"}}),
    ]
    table, rows = shown(*found)
    assert rows["a", "test"]["FID"] == "3.00"
    assert rows["b", "test"]["FID"] == rows["c", "test"]["FID"] == "n/a"
    (note,) = [note for note in table.notes if note.startswith("no value (n/a): ")]
    assert "FID of c: images hold 3 values that are NaN" in note
    assert "FID of b: left out, on a CPU or by `--fid clf`" in note


def test_a_seed_without_a_value_does_not_hide_those_of_others_and_is_pointed_out():
    nan, weights = ({"inception": {"missing": why}} for why in ("images hold NaN", "weights"))
    table, rows = shown(
        record(fid={"inception": entry(3.0)}),
        record(seed=1, fid=weights),
        record(seed=2, fid=nan),
        record("b", fid=weights),
        record("b", seed=1, fid=nan),
    )
    assert rows["a", "test"]["FID"] == "3.00 (1/3)"
    assert rows["a", "train"]["FID"] == "–"
    assert rows["b", "test"]["FID"] == "n/a"
    assert any("FID of a (some seeds), b: images hold NaN" in note for note in table.notes)
    assert table.values.set_index("model").loc["a", "fid_inception_n"].tolist() == [1, 0]


def test_a_protocol_without_the_real_images_split_has_its_values_all_the_same():
    """The paper protocols of VaDE and MPCC pool the splits; FID is of the official ones."""
    pooled = {**record(fid={"clf": entry(4.0)}), "metrics": {"all": {"default": {"n": 5, "accuracy": 0.5}}}}
    _, rows = shown(pooled)
    assert rows["a", "all"]["FID-clf"] == "4.00"


def test_values_to_compare_with_are_rows_without_seeds():
    table, rows = shown(record(fid={"clf": entry(), "inception": entry(9.0, references=False)}))
    assert rows["floor: train images", "test"]["FID-clf"] == "1.25"
    assert rows["baseline: a Gaussian per class in pixel space", "test"]["FID-clf"] == "40.00"
    assert rows["floor: train images", "test"]["FID"] == rows["floor: train images", "test"]["ACC"] == "–"
    assert list(rows)[-2:] == [
        ("floor: train images", "test"),
        ("baseline: a Gaussian per class in pixel space", "test"),
    ]
    csv = table.values.set_index("model")
    assert csv.loc["floor: train images", "fid_clf"] == 1.25
    assert pd.isna(csv.loc["floor: train images", "seeds"])
    assert csv.loc["a", "seeds"].tolist() == [1, 1]
    assert "floor: train images" in table.latex()


def test_tables_of_vectors_have_no_such_column():
    table, _ = shown(record(fid={"clf": {"missing": "vectors"}, "inception": {"missing": "vectors"}}))
    assert list(table.shown.columns) == ["model", "split", "seeds", "ACC", "seconds"]
    assert not any("FID" in note for note in table.notes)


def test_too_few_images_are_pointed_out():
    table, _ = shown(record(fid={"inception": entry(n=1797, split="all", singular=True)}))
    assert any("biased upwards" in note and "1,797 images" in note for note in table.notes)


def test_records_without_fid_give_the_table_that_they_gave():
    table, _ = shown(record())
    assert list(table.shown.columns) == ["model", "split", "seeds", "ACC", "seconds"]


def test_tables_are_built_without_torch():
    program = "import sys, benchmark.tables; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
