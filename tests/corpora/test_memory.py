"""Documents in memory: tables and their rows, paths by mistake, and objects that are not tokens."""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpora
from conec import ContextEncoder, ExtendedContextEncoder
from corpora.encoding import TokenStream
from corpora.phrases import phrases

ROWS = [{"id": "1", "text": "The kettle sings"}, {"id": "2", "text": "The cup waits"}]
TEXTS = [row["text"] for row in ROWS]
WORDS = [text.split() for text in TEXTS]
Row = namedtuple("Row", ["id", "text"])


def database_rows() -> list[Any]:
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    database.execute("create table t (id text, text text)")
    database.executemany("insert into t values (:id, :text)", ROWS)
    return database.execute("select * from t").fetchall()


class Dataset:
    """As a data set of Hugging Face: rows are dicts, with names and a selection of columns."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.column_names = list(rows[0])
        self.shape = len(rows), len(self.column_names)

    def __iter__(self) -> Any:
        return iter(self.rows)

    def select_columns(self, names: list[str]) -> Dataset:
        return Dataset([{name: row[name] for name in names} for row in self.rows])


class Stream:
    """As a streamed data set, whose columns are unknown."""

    column_names = None

    def __iter__(self) -> Any:
        return iter(ROWS)


TABLES: dict[str, Callable[[], Any]] = {
    "dicts": lambda: ROWS,
    "generator": lambda: (row for row in ROWS),
    "named tuples": lambda: [Row(**row) for row in ROWS],
    "pandas rows": lambda: list(pd.DataFrame(ROWS).itertuples(index=False)),
    "sqlite": database_rows,
    "pandas": lambda: pd.DataFrame(ROWS, index=[7, 3]),
    "polars": lambda: pl.DataFrame(ROWS),
    "pyarrow": lambda: pa.Table.from_pylist(ROWS),
    "batch": lambda: pa.RecordBatch.from_pylist(ROWS),
    "numpy": lambda: np.array([("1", TEXTS[0]), ("2", TEXTS[1])], [("id", "U9"), ("text", "U40")]),
    "columns": lambda: {"id": ["1", "2"], "text": TEXTS},
    "data set": lambda: Dataset(ROWS),
    "stream": lambda: Stream(),
}


class TestTables:
    @pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
    def test_a_column_is_read_by_its_name(self, make: Callable[[], Any]) -> None:
        assert list(corpora.open(make(), field="text")) == WORDS
        assert list(corpora.open(make(), clean="lower", field="text"))[1] == ["the", "cup", "waits"]

    @pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
    def test_without_a_name_the_error_lists_the_columns(self, make: Callable[[], Any]) -> None:
        with pytest.raises(TypeError, match=r"'id', 'text'.*corpora.open\(\w+, field=\"text\"\)"):
            list(corpora.open(make()))

    @pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
    def test_an_unknown_name(self, make: Callable[[], Any]) -> None:
        with pytest.raises(ValueError, match="no column 'texts', only 'id', 'text'; did you mean"):
            list(corpora.open(make(), field="texts"))

    @pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
    @pytest.mark.parametrize(
        "use",
        [
            corpora.count,
            lambda table: TokenStream.encode(table, {"The": 0}),
            lambda table: list(corpora.open(table).texts()),
            lambda table: phrases(corpora.open(table)),
            lambda table: ContextEncoder(min_count=1, vector_size=2).build_vocab(table),
            lambda table: ExtendedContextEncoder(min_count=1, vector_size=2).build_vocab(table),
        ],
    )
    def test_no_reader_takes_names_of_columns_for_words(
        self, make: Callable[[], Any], use: Callable[[Any], object]
    ) -> None:
        with pytest.raises((TypeError, corpora.NotReiterableError)):
            use(make())

    def test_tokens_stay_as_they_are(self) -> None:
        tokens = [["New York", "sings"], ["b"]]
        for table in (
            pd.DataFrame({"words": tokens}),
            pl.DataFrame({"words": tokens}),
            pa.table({"words": tokens}),
            [{"words": t} for t in tokens],
            {"words": np.array([np.array(t, object) for t in tokens], object)},
        ):
            assert list(corpora.open(table, field="words")) == tokens

    def test_another_name_is_suggested_if_there_is_no_text(self) -> None:
        with pytest.raises(TypeError, match='field="review"'):
            list(corpora.open([{"stars": 1, "review": "good tea"}]))

    def test_missing_values_are_named(self) -> None:
        with pytest.raises(TypeError, match="document 1 must be .* got None. Leave missing values"):
            list(corpora.open([*ROWS[:1], {"id": "2", "text": None}], field="text"))
        with pytest.raises(TypeError, match="document 1 must be .* got nan of type float. Leave"):
            list(corpora.open(pd.DataFrame({"text": ["a", float("nan")]}), field="text"))

    def test_rows_without_names(self) -> None:
        with pytest.raises(ValueError, match="document 0 is list. Leave field out"):
            list(corpora.open(WORDS, field="text"))

    def test_a_dict_of_texts(self) -> None:
        with pytest.raises(TypeError, match=r"a dict of texts.*corpora.open\(list\(texts.values"):
            corpora.open({"a": "the kettle sings"})

    def test_a_group_of_data_sets(self) -> None:
        with pytest.raises(TypeError, match=r"a dict of tables, 'train'.*tables\['train'\]"):
            corpora.open({"train": Dataset(ROWS)})

    def test_series_and_arrays_of_texts(self) -> None:
        for texts in (
            pd.Series(TEXTS, index=[5, 2]),
            pl.Series(TEXTS),
            pa.array(TEXTS),
            pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
            np.array(TEXTS),
            np.array(TEXTS, object),
            pd.Index(TEXTS),
            pd.Series(TEXTS, dtype="category"),
            tuple(TEXTS),
        ):
            assert list(corpora.open(texts)) == WORDS
            assert corpora.count(corpora.open(texts)).words["The"] == 2

    @pytest.mark.parametrize(
        "bad", [np.array([["a", "b"]]), np.zeros((2, 3)), np.array("a"), np.zeros((0, 2))], ids=str
    )
    def test_arrays_of_other_dimensions(self, bad: Any) -> None:
        with pytest.raises(TypeError, match="must have one dimension, got a ndarray with"):
            corpora.open(bad)

    def test_files_take_a_field_as_well(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_text('{"body": "the cup"}\n')
        assert list(corpora.open(path, field="body")) == [["the", "cup"]]
        path = tmp_path / "a.txt"
        path.write_text("the cup\n")
        with pytest.raises(TypeError, match="the format 'text' has no option 'field'"):
            corpora.open(path, field="body")


class TestPaths:
    def test_names_of_files_are_not_texts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("a.txt", "b.txt"):
            Path(name).write_text("the kettle sings\n")
        for paths in (
            ["a.txt", "b.txt"],
            ("a.txt", "b.txt"),
            iter(["a.txt"]),
            [str(tmp_path / "a.txt")],
            ["no/such/file.txt", "news-*.jsonl.gz"],
            ["news/*", "data/**/*"],
            [str(tmp_path)],
        ):
            with pytest.raises(TypeError, match="path of a file.*pathlib.Path"):
                list(corpora.open(paths))
        with pytest.raises(TypeError, match="pass path objects"):
            ContextEncoder().fit(["a.txt", "b.txt"])
        assert len(list(corpora.open([Path("a.txt"), Path("b.txt")]))) == 2
        with pytest.raises(TypeError, match="document 0 is a path, 'a.txt'. .* only path objects"):
            list(corpora.open([Path("a.txt"), "b.txt"]))

    @pytest.mark.parametrize(
        "texts",
        [
            ["."],
            ["/", ".."],
            ["...", "a"],
            ["see a.txt"],
            ["a.txt", "is a file"],
            ["U.S."],
            ["tests"],
            ["and/or", "2 * 3"],
            ["*", "tea"],
        ],
        ids=str,
    )
    def test_texts_that_are_not_paths(self, texts: list[str]) -> None:
        assert list(corpora.open(texts)) == [text.split() for text in texts]

    @pytest.mark.parametrize("text", ["the cup\nthe tea", "the cup waits " * 9, "word" * 999])
    def test_a_text_in_place_of_a_path(self, text: str) -> None:
        with pytest.raises(FileNotFoundError, match="Pass texts in a list") as error:
            corpora.open(text)
        assert len(str(error.value)) < 200


@pytest.fixture(scope="module")
def doc() -> Any:
    spacy = pytest.importorskip("spacy")
    return spacy.blank("en")("the kettle sings")


class TestRows:
    def test_rows_without_names(self) -> None:
        with pytest.raises(TypeError, match="keys and values"):
            corpora.open({"a": "the cup"}.items())
        database = sqlite3.connect(":memory:")
        with pytest.raises(TypeError, match="cursor of a database"):
            corpora.open(database.execute("select 'the cup'"))
        database.row_factory = sqlite3.Row
        named = corpora.open(database.execute("select 'the cup' as text"), field="text")
        assert list(named) == [["the", "cup"]]

    @pytest.mark.parametrize(
        "document",
        [("1", "the kettle sings in the rain"), ["The cup waits.", "Tea is hot."], ["the cup"]],
        ids=str,
    )
    def test_texts_in_the_place_of_tokens(self, document: Any) -> None:
        corpus = corpora.open([document, ["tea"]])
        with pytest.warns(UserWarning, match="document 0 is a list of tokens, but .* contains bl"):
            assert list(corpus) == [list(document), ["tea"]]

    @pytest.mark.parametrize("document", [["10 000", "euros"], ["New York", "is"], [], [""]])
    def test_tokens_may_contain_blanks(self, document: list[str]) -> None:
        assert list(corpora.open([document, ["a b"]]))[-1] == ["a b"]

    @pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
    def test_a_table_is_not_a_document(self, make: Callable[[], Any]) -> None:
        model = ContextEncoder(min_count=1, vector_size=2).build_vocab_from_freq({"id": 2, "a": 1})
        with pytest.raises(TypeError, match="must be a"):
            model.embed(make())
        if not isinstance(make(), (list, Stream)) and not hasattr(make(), "__next__"):
            with pytest.raises(TypeError, match="contexts must be a list of texts"):
                model.embed_word("id", make())


class TestObjects:
    def test_documents_of_spacy(self, doc: Any) -> None:
        assert list(corpora.open([doc, doc[:2]])) == [["the", "kettle", "sings"], ["the", "kettle"]]
        assert corpora.count(iter([doc])).words == {"kettle": 1, "sings": 1, "the": 1}
        with pytest.raises(TypeError, match="source is one document"):
            corpora.open(doc)
        with pytest.raises(TypeError, match=r"document 0, position 1 .*got Token. Pass its \.text"):
            list(corpora.open([["the", doc[1]]]))
        with pytest.raises(TypeError, match=r"document 0 must be .* got Token. Pass its \.text"):
            list(corpora.open([doc[1]]))
        assert list(corpora.open(["x"], tokenize=lambda text: doc)) == [["the", "kettle", "sings"]]

    def test_embeddings_of_a_document_of_spacy(self, doc: Any) -> None:
        words = [token.text for token in doc]
        model = ContextEncoder(min_count=1, vector_size=4, sample=0, epochs=1).fit([doc] * 9)
        assert sorted(model.vocabulary.words) == sorted(words)
        assert np.array_equal(model.embed(doc), model.embed(words))
        assert np.array_equal(model.embed(doc[:2]), model.embed(words[:2]))
        assert model.embed_word("kettle", [doc]).any()
        extended = ExtendedContextEncoder(min_count=1, vector_size=4, sample=0, epochs=1)
        assert extended.fit([doc] * 9).embed(doc).shape == (3, 4)

    @pytest.mark.parametrize("bad", [{"a", "b"}, frozenset("ab"), b"ab", 7, 2.5, None, object()])
    def test_documents_without_tokens_in_order(self, bad: object) -> None:
        with pytest.raises(TypeError, match="document 1 must be a list of str"):
            list(corpora.open([["a"], bad]))

    @pytest.mark.parametrize("bad", ["ann\ud83d", "\udc00", "é\ud800é"], ids=ascii)
    def test_half_of_a_surrogate_pair(self, bad: str) -> None:
        with pytest.raises(corpora.CorpusError, match="document 1, position 2 .*half of a surrog"):
            list(corpora.open([["a"], ["b", "c", bad]]))
        with pytest.raises(corpora.CorpusError, match="document 1: .*half of a surrogate pair"):
            list(corpora.open([["a"], f"a text with {bad}"]))

    def test_functions_that_return_something_else(self) -> None:
        texts = ["the cup"]
        with pytest.raises(TypeError, match="the result of tokenize, position 0 .* got 1 of type"):
            list(corpora.open(texts, tokenize=lambda text: [1]))
        with pytest.raises(TypeError, match="the result of tokenize must be a list of str"):
            list(corpora.open(texts, tokenize=lambda text: None))
        with pytest.raises(TypeError, match="the cleaning step .* must return a str, got None"):
            list(corpora.open(texts, clean=lambda text: None))
        with pytest.raises(TypeError, match="the result of a function of map, position 1"):
            list(corpora.open(texts).map(lambda tokens: ["a", 2]))


NOT_TOKENS = st.one_of(
    st.none(), st.integers(), st.floats(), st.binary(), st.booleans(), st.decimals(),
    st.lists(st.text(max_size=3), max_size=2), st.dictionaries(st.text(max_size=2), st.text()),
    st.sampled_from([pd.NA, pd.NaT, np.int64(3), np.float32("nan"), Decimal(1), object(), ("a",)]),
)  # fmt: skip
TOKENS = st.lists(st.text("abcé", min_size=1, max_size=3), min_size=1, max_size=5)


@settings(max_examples=60)
@given(
    documents=st.lists(TOKENS, min_size=1, max_size=4),
    bad=NOT_TOKENS,
    data=st.data(),
    container=st.sampled_from([list, tuple, lambda tokens: np.array(tokens, object), iter]),
)
def test_any_other_token_is_named_with_document_and_position(
    documents: list[list[str]], bad: object, data: st.DataObject, container: Callable[[Any], Any]
) -> None:
    number = data.draw(st.integers(0, len(documents) - 1))
    position = data.draw(st.integers(0, len(documents[number])))
    if container not in (list, tuple) and isinstance(bad, (list, tuple)):
        container = list  # NumPy makes them rows of a matrix
    changed: list[Any] = [list(tokens) for tokens in documents]
    changed[number].insert(position, bad)
    place = f"document {number}, position {position} "

    def made() -> list[Any]:
        # again for each call: iterators are used up
        return [container(tokens) for tokens in changed]

    model = ContextEncoder(min_count=1, vector_size=2, sample=0)
    known = ContextEncoder(min_count=1, vector_size=2).build_vocab_from_freq({"a": 1, "b": 1})
    calls: list[Callable[[], object]] = [
        lambda: list(corpora.open(made())),
        lambda: list(corpora.open(made()).texts()),
        lambda: list(corpora.open(made(), clean="lower")),
        lambda: corpora.count(made(), workers=2),
        lambda: phrases(made()),
        lambda: TokenStream.encode(made(), {"a": 0}),
        lambda: TokenStream.from_documents(made(), {"a": 0}),
        lambda: model.fit(made()),
        lambda: known.train(made()),
        lambda: known.learn_map(made()),
        lambda: known.build_senses(made()),
        lambda: known.global_contexts(made()),
        lambda: known.build_vocab(made(), update=True),
    ]
    for call in calls:
        with pytest.raises(TypeError) as error:
            call()
        assert place in str(error.value), (str(error.value), place)
    with pytest.raises(TypeError, match=rf"tokens, position {position} "):
        known.embed(made()[number])


BAD: dict[str, Callable[[], object]] = {
    "the number of shards must be an integer >= 1, got '2'": lambda: corpora.open([]).shards("2"),
    "map takes a function of a list of tokens, got 7": lambda: corpora.open([]).map(7),
    "sentences must be True or False, got 'x'": lambda: corpora.open([], sentences="x"),
    "workers must be an integer >= 1, got 2.5": lambda: corpora.count(["a"], workers=2.5),
    "min_count must be a number >= 0, got '2'": lambda: corpora.count(["a"], min_count="2"),
    "index must be a dict of words and ids, got list": lambda: TokenStream.encode(["a"], ["a"]),
    "the id of 'a' must be an integer .*, got 1.5": lambda: TokenStream.encode(["a"], {"a": 1.5}),
    "the id of 'a' must be an integer .*, got -1": lambda: TokenStream.encode(["a"], {"a": -1}),
    "the id of 'b' must be .*, got 2147483648": lambda: TokenStream.encode(["a"], {"b": 2**31}),
    "the words of index must be strings, got 1": lambda: TokenStream.encode(["a"], {1: 0}),
    "documents must be a list of lists of str": lambda: TokenStream.from_documents("ab", {"a": 0}),
    "min_count must be a number > 0, got 'x'": lambda: phrases(["a"], min_count="x"),
    "threshold must be a number, got nan": lambda: phrases(["a"], threshold=float("nan")),
    "delimiter must be a str, got 7": lambda: phrases(["a"], delimiter=7),
    "connector_words must be a list of words": lambda: phrases(["a"], connector_words=[7]),
    "got LazyFrame. Call its method collect": lambda: corpora.open(pl.LazyFrame(ROWS)),
    "the DataFrame has 2 columns 'a'": lambda: corpora.open(
        pd.DataFrame([["x", "y"]], columns=["a", "a"]), field="a"
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_other_arguments_are_named(message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        BAD[message]()


def test_a_connector_word_can_be_a_string() -> None:
    corpus = ["state of art"] * 9
    one, other = (
        list(phrases(corpus, min_count=1, threshold=0.1, connector_words=words))  # type: ignore
        for words in ("of", frozenset(["of"]))
    )
    assert one == other == [["state_of_art"]] * 9


def test_documents_that_are_iterators() -> None:
    class Texts:
        def __iter__(self) -> Any:
            return (map(str.lower, text.split()) for text in TEXTS)

    lowered = [[word.lower() for word in words] for words in WORDS]
    corpus = corpora.open(Texts())
    assert list(corpus) == list(corpus) == lowered
    corpus = corpora.open([map(str.lower, words) for words in WORDS])
    assert list(corpus) == lowered
    with pytest.raises(corpora.NotReiterableError, match="document 0 is a map, which can be read"):
        list(corpus)
    with pytest.raises(corpora.NotReiterableError, match="document 1 is a generator"):
        ContextEncoder(min_count=1).fit([["a", "b"], (word for word in WORDS[0])])
    with pytest.raises(TypeError, match="document 1 is a generator, which can be read only once"):
        ExtendedContextEncoder(min_count=1).fit([["a", "b"], (word for word in WORDS[0])])


def test_a_field_of_parquet(tmp_path: Path) -> None:
    pd.DataFrame(ROWS).to_parquet(tmp_path / "a.parquet")
    for options in ({"field": "text"}, {"column": "text"}):
        assert list(corpora.open(tmp_path / "a.parquet", **options)) == WORDS
