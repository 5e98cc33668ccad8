"""Files of ratings and features, and the command line that takes them."""

from __future__ import annotations

import gzip
import json
import signal

import numpy as np
import pytest
from typer.testing import CliRunner

from simec.cli import app
from simec.recommender import FileError, Recommender, read_features, read_ratings

RUNNER = CliRunner()


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def triples(ratings):
    return list(zip(*(part.tolist() for part in ratings.triples()), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "1::7::5::978300760\n2::7::3.5::978302109\n",
        "1\t7\t5\t881250949\n\n2\t7\t3.5\t891717742\n",
        "userId,movieId,rating,timestamp\n1,7,5,1260759144\r\n2,7,3.5,1260759179\r\n",
        "\ufeffuser;item;value\n1;7;5.0\n2;7;3.5",
        '"1","7","5"\n"2", 7 ,3.5\n',
    ],
)
def test_forms_of_ratings(tmp_path, text):
    assert triples(read_ratings(write(tmp_path / "r.txt", text))) == [(1, 7, 5.0), (2, 7, 3.5)]
    with gzip.open(tmp_path / "r.txt.gz", "wt", encoding="utf-8") as file:
        file.write(text)
    assert len(read_ratings(tmp_path / "r.txt.gz")) == 2


def test_ids_that_are_text_and_values_that_are_left_out(tmp_path):
    found = read_ratings(write(tmp_path / "r.csv", "ann,007\nbob,7\n"))
    assert triples(found) == [("ann", "007", 1.0), ("bob", "7", 1.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1,7,5\n3,,4\n",
            r"line 2 must have a user, item and value, got no item: \['3', '', '4'\]",
        ),
        ("1,7,5\n2\n", "line 2 has 1 field; other lines have 3, separated by commas: '2'"),
        ("1,7\n1,8,3\n2,7,1\n", "line 1 has 2 fields; other lines have 3"),
        ("1,7,5\n2,7\n3,7,4\n", "line 2 has 2 fields; other lines have 3"),
        ("1,7,5\n2,7,5,9\n3,7,4\n", "line 2 has 4 fields; other lines have 3"),
        ("1,7,\n2,7,5\n", "line 1: the rating is missing"),
        ("ann,tea,good\nbob,rum,3\n", "line 1: a rating must be a number, got 'good'. If the line"),
        (
            "1;7;3,5\n2;8;4\n",
            "line 1: a rating must be a number, got '3,5'. Write it with a decimal",
        ),
        ("1,7,1e30\n", r"line 1: a rating must be from -1e\+15 to 1e\+15, got '1e30'"),
        ("1,7,1_0\n", "line 1: a rating must be a number, got '1_0'"),
        ("1,7,5\n\n2,7,good\n", "line 3: a rating must be a number, got 'good'"),
        ("1,7,nan\n", "line 1: a rating must be finite, got 'nan'"),
        ("user,item,value\n", "has no ratings"),
        ("", "has no ratings"),
        ("1,7,5\nx,y,z\n", "line 2: a rating must be a number, got 'z'"),
    ],
)
def test_lines_that_are_no_ratings(tmp_path, text, message):
    path = write(tmp_path / "ratings.csv", text)
    with pytest.raises(FileError, match=message) as caught:
        read_ratings(path)
    assert "ratings.csv" in str(caught.value)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "r.csv").write_bytes(b"1,7,5\n2,\xff,3\n")
    with pytest.raises(FileError, match="line 2: not valid UTF-8"):
        read_ratings(tmp_path / "r.csv")
    with pytest.raises(FileNotFoundError, match="closest matches: r.csv"):
        read_ratings(tmp_path / "s.csv")


TABLE = """\
id,year,genres,colour
1,1990,Action|Comedy,red
2,1995,Comedy,blue
3,1994,Action|Drama,red
"""


def test_tables_of_features(tmp_path):
    found = read_features(write(tmp_path / "t.csv", TABLE), "item")
    # Drama and blue occur once
    assert found.names == ["year", "genres=Action", "genres=Comedy", "colour=red"]
    expected = [[1990, 1, 1, 1], [1995, 0, 1, 0], [1994, 1, 0, 1]]
    np.testing.assert_array_equal(found.matrix.toarray(), expected)
    assert found.ids.values.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,a\n1,2\n2\n", "line 3 has 1 field; the header has 2"),
        ("id\n1\n", "line 1 has no separator"),
        (
            "id,a\n1,2\n2,\n",
            "line 3: a is '', and missing in 1 of 2 rows. Fill in a number, or pass",
        ),
        ("id,a\n1,2\n2,NA\n", "line 3: a is 'NA', and missing"),
        ("id,a\n1,2\n2,inf\n", "line 3: a must be from"),
        ("id,a\n1,2\n,3\n", r"line 3 has no id in column 1 \(id\)"),
        ("id,a,a\n1,2,3\n", "names of item features must be distinct, but 'a' occurs twice"),
        ("1,1990\n2,1991\n", "line 1 must have the names of the columns, got '1', which looks"),
        ("ann,red\nbob,red\n", "line 1 must have the names of the columns, got 'red', which looks"),
        ("id,a\n", "has a header, but no rows"),
        ("id,a\n1,x\n2,y\n", "has no feature that occurs 2 times"),
        ("id,a\n1,2\n1,3\n", "item 1 occurs twice"),
    ],
)
def test_what_is_no_table(tmp_path, text, message):
    with pytest.raises(FileError, match=message):
        read_features(write(tmp_path / "t.csv", text), "item")


# The command line


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ratings of items of two colors, a table of items, and models trained by the command line."""
    path = tmp_path_factory.mktemp("cli")
    users, items = np.divmod(np.arange(20 * 14), 14)
    values = np.where((users + items) % 2 == 0, 5, 1)
    known = np.random.default_rng(0).random(len(users)) < 0.7
    for name, some in (("train.csv", known), ("test.csv", ~known)):
        lines = (
            f"u{u},{i},{v}" for u, i, v in zip(users[some], items[some], values[some], strict=True)
        )
        write(path / name, "user,item,value\n" + "\n".join(lines) + "\n")
    kinds = "\n".join(f"{i},{('even', 'odd')[i % 2]}" for i in range(14))
    write(path / "items.csv", "item,kind\n" + kinds + "\n")
    write(path / "new.csv", "item,kind\n98,even\n99,odd\n")
    run("train", path / "train.csv", "--out", path / "plain", "--dimensions", 2, "--l2", 0.3)
    run(
        "train", path / "train.csv", "--items", path / "items.csv", "--out", path / "described",
        "--dimensions", 2, "--l2", 0.3,
    )  # fmt: skip
    return path


def run(*args, code=0):
    result = RUNNER.invoke(app, ["recommend", *map(str, args)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_training_tells_what_it_read(folder):
    out = run("train", folder / "train.csv", "--items", folder / "items.csv", "--out",
              folder / "again", "--dimensions", 2)  # fmt: skip
    assert "users         20\nitems         14\n" in out
    assert "item features 2\n" in out
    assert Recommender.load(folder / "again").n_components == 2


def test_recommendations(folder):
    out = run("for", folder / "plain", "u3", "--topn", 2).splitlines()
    expected = Recommender.load(folder / "plain").recommend("u3", 2)
    assert out == [f"{score:9.4f}  {item}" for item, score in expected]
    found = json.loads(run("for", folder / "plain", "u3", "--json", "--topn", 14, "--seen"))
    assert {pair["item"] for pair in found} == set(range(14))
    assert all(pair["item"] % 2 == 1 for pair in found[:7])


def test_new_items(folder):
    out = run("for", folder / "described", "u3", "--items", folder / "new.csv", "--json", "--topn",
              "20", "--seen")  # fmt: skip
    scores = {pair["item"]: pair["score"] for pair in json.loads(out)}
    assert scores[99] > scores[98] + 2
    given = "--items", folder / "new.csv"
    assert float(run("predict", folder / "described", "u3", 99, *given)) > 4
    assert float(run("predict", folder / "described", "u3", 98, *given)) < 2
    near = json.loads(run("similar", folder / "described", 99, *given, "--topn", 7, "--json"))
    assert all(pair["item"] % 2 == 1 for pair in near)


def test_explanations(folder):
    found = json.loads(run("explain", folder / "described", "u3", 5, "--json"))
    assert set(found["features"]) <= {"kind=even", "kind=odd"}
    assert found["value"] > 4
    page = folder / "why.html"
    out = run("explain", folder / "described", "u3", 5, "--html", page)
    assert "kind=odd" in out
    assert "kind=odd" in page.read_text(encoding="utf-8")


def test_evaluation(folder):
    found = json.loads(run("evaluate", folder / "plain", folder / "test.csv", "--relevant", 4,
                           "--topn", 3, "--json"))  # fmt: skip
    assert found["rmse"] < 1
    assert found["recall"] > 0.9
    out = run("evaluate", folder / "plain", folder / "test.csv", "--topn", 3)
    assert "recall@3" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("for", "plain", "nobody"), "user 'nobody' is not in the training data"),
        (
            ("predict", "plain", "u3", "x"),
            "item 'x' is not in the model, whose item ids are integers",
        ),
        (("predict", "plain", "u3", "77"), "item 77 is not in the training data"),
        (("for", "nowhere", "u3"), "Recommender not found: the folder does not exist"),
        (
            ("explain", "plain", "u3", "5"),
            "users have no features to explain by: train with --users",
        ),
        (("train", "none.csv", "--out", "x"), "No such file"),
        (("train", "train.csv", "--out", "."), "items.csv"),
        (
            ("evaluate", "plain", "items.csv"),
            "called 'user' or similar; the columns are 'item', 'kind': rename one, or choose "
            "columns with --columns",
        ),
    ],
)
def test_errors_in_one_line(folder, args, message, monkeypatch):
    monkeypatch.chdir(folder)
    result = RUNNER.invoke(app, ["recommend", *args])
    assert result.exit_code == 1
    assert result.output.startswith("simec: ")
    assert len(result.output.strip().splitlines()) == 1
    assert message in result.output


@pytest.mark.parametrize("entry", ["README.md", ".notes"])
def test_training_does_not_touch_other_files(folder, tmp_path, entry):
    run("train", folder / "train.csv", "--out", tmp_path / "m", "--dimensions", 1)
    write(tmp_path / "m" / entry, "mine")
    out = run("train", folder / "train.csv", "--out", tmp_path / "m", code=1)
    assert entry in out
    assert (tmp_path / "m" / entry).read_text() == "mine"
    assert Recommender.load(tmp_path / "m", verify=True).n_components == 1


def test_averages_for_the_unknown(folder):
    assert 1 <= float(run("predict", folder / "plain", "u3", 77, "--average")) <= 5


def test_ids_are_not_escaped_in_json(folder):
    lines = "".join(f"u{u},{item},{1 + (u + k) % 5}\n" for u in range(4) for k, item in
                    enumerate(("Amélie", "Ran", "Solaris")))  # fmt: skip
    write(folder / "titles.csv", lines)
    run("train", folder / "titles.csv", "--out", folder / "titles", "--dimensions", 1)
    assert "Amélie" in run("for", folder / "titles", "u1", "--seen", "--json")


def test_duplicates_are_reported(folder):
    twice = folder / "twice.csv"
    write(twice, (folder / "train.csv").read_text() + "u0,1,3\n" * 2)
    out = run("train", twice, "--out", folder / "t", "--dimensions", 1)
    assert "2 ratings repeat an earlier one of the same user and item" in out
    result = RUNNER.invoke(
        app, ["recommend", "train", str(twice), "--out", str(folder / "t"), "--duplicates", "error"]
    )
    assert result.exit_code == 1
    assert "use --duplicates last or --duplicates mean" in result.output


def test_the_old_name_of_the_scale_of_id_features(folder):
    features = ("--items", folder / "items.csv")
    out = run("train", folder / "train.csv", *features, "--out", folder / "old", "--own", 0.5)
    assert "--own is deprecated, use --id-feature-scale" in out
    assert Recommender.load(folder / "old").id_feature_scale == 0.5
    assert "--own" not in run("train", "--help")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_saves_the_finished_steps(folder, monkeypatch, number):
    from simec.solvers import gibbs

    step, calls = gibbs._Chain.step, []

    def some_steps(*args, **options):
        calls.append(1)
        if len(calls) == 30:
            signal.raise_signal(number)
        return step(*args, **options)

    monkeypatch.setattr(gibbs._Chain, "step", some_steps)
    out = run(
        "train", folder / "train.csv", "--out", folder / "i", "--dimensions", 2, code=128 + number
    )
    assert "interrupted; saved to" in out
    found = Recommender.load(folder / "i").recommend("u3", 2)
    assert all(item % 2 == 1 for item, _ in found)
