"""Small valid files of every format that is read, for `tests.stress.readers`."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TEXT = """The quick brown fox jumps over the lazy dog.
Café au lait, 3.50 a cup

\u0928\u092e\u0938\u094d\u0924\u0947 \u4e16\u754c
<b>Tea</b> &amp; cups &#233; [[image:x|y]] {{z}}
in the U.S. Mr. Smith said: \u201cno\u201d.
rain rain rain go away
"""
CONLL = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
call NN I-NP O

Peter NNP I-NP I-PER

-DOCSTART- -X- O O

BRUSSELS NNP I-NP I-LOC
1996-08-22 CD I-NP O
"""
CONLLU = """# sent_id = 1
# text = Du thé
1-2\tDu\t_\t_\t_\t_\t_\t_\t_\t_
1\tDe\tde\tADP\t_\t_\t3\tcase\t_\t_
2\tle\tle\tDET\t_\t_\t3\tdet\t_\t_
3\tthé\tthé\tNOUN\t_\t_\t0\troot\t_\t_
3.1\tbu\tboire\tVERB\t_\t_\t_\t_\t_\t_

# sent_id = 2
1\tOui\toui\tINTJ\t_\t_\t0\troot\t_\t_

"""
WIKI = """<doc id="1" url="http://x" title="Tea">
Tea

Tea is a drink.
It is hot.
</doc>
<doc id="2" url="http://y" title="Cup">
Cup

A cup holds tea. </doc>
"""
REUTERS = """<!DOCTYPE lewis SYSTEM "lewis.dtd">
<REUTERS TOPICS="YES" NEWID="1">
<DATE>26-FEB-1987</DATE>
<TEXT>&#2;
<TITLE>COCOA REVIEW</TITLE>
<BODY>Showers continued &lt;in> the zone.
 Reuter
&#3;</BODY></TEXT>
</REUTERS>
<REUTERS TOPICS="NO" NEWID="2">
<TEXT TYPE="BRIEF">&#2;
<TITLE>NO BODY</TITLE></TEXT>
</REUTERS>
"""
RECORDS = [
    {"text": "the cup of tea", "id": 1},
    {"text": ["the", "cup"], "score": 1.5},
    {"text": "caf\u00e9 \U0001f600", "tags": [1, None, {"a": True}]},
]
RATINGS = [
    ("ann", "tea", "5"),
    ("ann", "rum", "1.5"),
    ("bob", "tea", "2"),
    ("c\u00e9m", "gin", "4"),
]
TRIPLES = "paris\tcapital_of\tfrance\nrome\tcapital_of\titaly\nfrance\tborders\titaly\n"
VECTORS = {"tea": [0.5, -1.0, 2e-3], "caf\u00e9": [1.0, 0.25, 3.0], "cup": [0.0, 1.0, -2.0]}


@dataclass
class Format:
    """A valid file or folder, and the function that reads it.

    Attributes
    ----------
    name : str
        What is read, and how.
    path : str
        What is passed to `read`: the only file, or the folder with all files; "" for the root.
    files : dict of str to bytes
        Contents by path.
    read : callable
        Reads a path, and returns lists and dicts of plain data.
    checksums : bool
        Whether the format has checksums of its contents.
    expected : object
        What `read` returns for the valid file.
    refused : str
        Why the valid file could not be read; "" if it could.
    """

    name: str
    path: str
    files: dict[str, bytes]
    read: Callable[[Path], Any]
    checksums: bool = False
    expected: Any = field(default=None, init=False)
    refused: str = field(default="", init=False)


Make = Callable[[], Format]
_MAKERS: dict[str, Make] = {}


def formats(names: list[str]) -> list[Format]:
    """Make the formats with these names."""
    return [_MAKERS[name]() for name in names]


def add(
    name: str,
    path: str,
    content: Callable[[], bytes | dict[str, bytes]],
    read: Callable[[Path], Any],
    checksums: bool = False,
) -> None:
    """Register a format; a single file, or a folder if `content` returns several."""

    def make() -> Format:
        made = content()
        files = made if isinstance(made, dict) else {path: made}
        return Format(name, path, files, read, checksums)

    _MAKERS[name] = make


# Corpora


def documents(**options: Any) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        import corpora

        return list(corpora.open(path, **options))

    return read


def tagged(**options: Any) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        import corpora

        return list(corpora.open(path, **options).tagged())

    return read


def counted(path: Path) -> Any:
    """Count and encode with the code for plain text, which is compiled."""
    import numpy as np

    import corpora
    from corpora.counting import counts

    counts.COMPILED_BYTES, usual = 0, counts.COMPILED_BYTES
    try:
        counted = corpora.count(corpora.open(path, format="text"), workers=1)
        if not counted.words:
            return {}
        index = {word: i for i, word in enumerate(counted.words)}
        with tempfile.TemporaryDirectory() as folder:
            stream = corpora.TokenStream.encode(
                corpora.open(path, format="text"), index, Path(folder, "stream"), workers=1
            )
            ids = np.concatenate([*stream, np.zeros(0, np.int32)]).tolist()
    finally:
        counts.COMPILED_BYTES = usual
    return [counted.words, counted.documents, ids]


def plain() -> bytes:
    return TEXT.encode()


def zst(data: bytes, *, checksum: bool = True) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(write_checksum=checksum).compress(data)


def tar(names: dict[str, bytes], mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(names: dict[str, bytes], method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return file.getvalue()


def members() -> dict[str, bytes]:
    return {"a/one.txt": plain(), "a/two.txt": b"a second file\n", "three.txt": b"x y z"}


def jsonl() -> bytes:
    return "".join(
        json.dumps(record, ensure_ascii=i < 2) + "\n" for i, record in enumerate(RECORDS)
    ).encode()


def parquet(**options: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = options.pop("kind", None) or pa.string()
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    column: Any = (
        [["the", "cup"], ["tea"], ["caf\u00e9"] * 9] if lists else ["the cup", "tea", "caf\u00e9"]
    )
    if pa.types.is_dictionary(kind):
        array: Any = pa.array(column).dictionary_encode()
    else:
        array = pa.array(column, kind)
    file = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2, 3], "text": array}), file, **options)
    return file.getvalue()


def parquet_of(kind: str) -> Callable[[], bytes]:
    def make() -> bytes:
        import pyarrow as pa

        kinds = {
            "lists": pa.list_(pa.string()),
            "large": pa.large_list(pa.large_string()),
            "category": pa.dictionary(pa.int32(), pa.string()),
        }
        return parquet(kind=kinds[kind])

    return make


add("text", "a.txt", plain, documents())
add("text paragraphs", "a.txt", plain, documents(format="text", unit="paragraph"))
add("text file", "a.txt", plain, documents(format="text", unit="file", errors="replace"))
add("text skipped lines", "a.txt", plain, documents(format="text", errors="skip"))
add(
    "text utf-16",
    "a.txt",
    lambda: TEXT.encode("utf-16"),
    documents(format="text", encoding="utf-16"),
)
add("text utf-8-sig", "a.txt", lambda: TEXT.encode("utf-8-sig"), documents(encoding="utf-8-sig"))
add(
    "text gb18030",
    "a.txt",
    lambda: TEXT.encode("gb18030"),
    documents(format="text", encoding="gb18030"),
)
add("text counted", "a.txt", plain, counted)
add(
    "text cleaned",
    "a.txt",
    plain,
    documents(format="text", clean=["html", "nfkc", "ascii", "digits", "lower"]),
)
add("text wikifil", "a.txt", plain, documents(format="text", unit="file", clean="wikifil"))
for tokenizer in ("regexp", "treebank", "tweet"):
    add(
        f"text {tokenizer}",
        "a.txt",
        plain,
        documents(
            format="text", unit="paragraph", sentences=tokenizer == "regexp", tokenize=tokenizer
        ),
    )
add("text folder", "folder", lambda: {f"folder/{k}": v for k, v in members().items()}, documents())
add(
    "text8",
    "text8",
    lambda: b" the quick brown fox jumps" * 40,
    documents(format="text8", document_length=20),
)
add(
    "lm1b",
    "1-billion-word",
    lambda: {
        "1-billion-word/training-monolingual.tokenized.shuffled/news.en-00001-of-00100": plain()
    },
    documents(format="lm1b"),
)
add("conll", "a.conll", CONLL.encode, documents(breaks=True))
add("conll tagged", "a.txt", CONLL.encode, tagged(format="conll"))
add("conllu", "a.conllu", CONLLU.encode, documents())
add("conllu tagged", "a.conllu", CONLLU.encode, tagged(format="conll"))
add("wikiextractor", "wiki_00", WIKI.encode, documents())
add(
    "wikiextractor paragraphs",
    "wiki_00",
    WIKI.encode,
    documents(format="wikiextractor", unit="paragraph", title=False),
)
add("reuters", "reut2-000.sgm", REUTERS.encode, documents())
add("reuters all", "reut2-000.sgm", REUTERS.encode, documents(part="all", encoding="utf-8"))
add("jsonl", "a.jsonl", jsonl, documents())
add(
    "jsonl tokens",
    "a.txt",
    lambda: b'{"words": ["a", "b\\u00e9"], "n": 1}\n' * 3,
    documents(format="jsonl", field="words"),
)
add("parquet", "a.parquet", parquet, documents())
add("parquet zstd", "a.parquet", lambda: parquet(compression="zstd"), documents())
add(
    "parquet plain",
    "a.parquet",
    lambda: parquet(compression="none", use_dictionary=False, data_page_version="2.0"),
    documents(),
)
add("parquet checksums", "a.parquet", lambda: parquet(write_page_checksum=True), documents())
for kind in ("lists", "large", "category"):
    add(f"parquet {kind}", "a.parquet", parquet_of(kind), documents())

# Compressed files and archives
add("gz", "a.txt.gz", lambda: gzip.compress(plain(), mtime=0), documents(), checksums=True)
add("bz2", "a.txt.bz2", lambda: bz2.compress(plain()), documents(), checksums=True)
add("xz", "a.txt.xz", lambda: lzma.compress(plain()), documents(), checksums=True)
add("lzma", "a.txt.lzma", lambda: lzma.compress(plain(), lzma.FORMAT_ALONE), documents())
add("zst", "a.txt.zst", lambda: zst(plain()), documents(), checksums=True)
add("zst without checksum", "a.txt.zst", lambda: zst(plain(), checksum=False), documents())
add("gz counted", "a.txt.gz", lambda: gzip.compress(plain(), mtime=0), counted, checksums=True)
add(
    "text8 gz",
    "text8.gz",
    lambda: gzip.compress(b"the quick brown fox " * 40, mtime=0),
    documents(),
    checksums=True,
)
add("jsonl gz", "a.jsonl.gz", lambda: gzip.compress(jsonl(), mtime=0), documents(), checksums=True)
add("conll xz", "a.conll.xz", lambda: lzma.compress(CONLL.encode()), tagged(), checksums=True)
add("tar", "a.tar", lambda: tar(members()), documents())
add("tar gnu names", "a.tar", lambda: tar({"d/" * 80 + "one.txt": plain()}), documents())
for mode, suffix in (("gz", "tar.gz"), ("bz2", "tbz2"), ("xz", "txz")):
    add(f"tar {mode}", f"a.{suffix}", lambda mode=mode: tar(members(), f"w:{mode}"), documents())  # type: ignore[misc]
add("tar zst", "a.tar.zst", lambda: zst(tar(members())), documents())
add("zip stored", "a.zip", lambda: zipped(members(), zipfile.ZIP_STORED), documents())
add("zip deflated", "a.zip", lambda: zipped(members(), zipfile.ZIP_DEFLATED), documents())
add("zip bzip2", "a.zip", lambda: zipped(members(), zipfile.ZIP_BZIP2), documents())
add("zip lzma", "a.zip", lambda: zipped(members(), zipfile.ZIP_LZMA), documents())
add(
    "reuters tar",
    "reuters21578.tar.gz",
    lambda: tar({"reut2-000.sgm": REUTERS.encode(), "README": b"x"}, "w:gz"),
    documents(),
)


# Token streams, vocabularies, word vectors


def token_stream() -> dict[str, bytes]:
    import corpora

    texts = [["the", "cup"], ["tea", "the", "caf\u00e9"], ["tea"]]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "stream")
        index = {"the": 0, "cup": 1, "tea": 2, "caf\u00e9": 3}
        corpora.TokenStream.encode(corpora.open(texts), index, root)
        return {f"stream/{path.name}": path.read_bytes() for path in root.iterdir()}


def read_token_stream(verify: bool) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from corpora import TokenStream

        stream = TokenStream.open(path, verify=verify)
        documents = [document.tolist() for document in stream]
        return [documents, stream.n_raw, stream.skipped]

    return read


def vocabulary(path: Path) -> Any:
    from corpora.counting.vocabulary_file import read_vocabulary

    return read_vocabulary(path)


def vectors_text() -> bytes:
    rows = [f"{word} {' '.join(map(str, row))}\n" for word, row in VECTORS.items()]
    return f"{len(VECTORS)} 3\n{''.join(rows)}".encode()


def vectors_binary(end: bytes) -> bytes:
    import numpy as np

    rows = [
        word.encode() + b" " + np.array(row, "<f4").tobytes() + end for word, row in VECTORS.items()
    ]
    return f"{len(VECTORS)} 3\n".encode() + b"".join(rows)


def vectors(**options: Any) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from conec.interop import load_word2vec

        if path.is_dir():
            read = load_word2vec(path / "v.txt", vocab=path / "vocab.txt", **options)
        else:
            read = load_word2vec(path, **options)
        return [read.index_to_key, read.vectors.tobytes()]

    return read


add("token stream", "stream", token_stream, read_token_stream(False))
add("token stream verified", "stream", token_stream, read_token_stream(True))
add("vocabulary", "v.tsv", lambda: "tea\t12\ncaf\u00e9\t3\ncup\t1\n".encode(), vocabulary)
add(
    "vocabulary gz",
    "v.tsv.gz",
    lambda: gzip.compress(b"tea\t12\ncup\t3\n", mtime=0),
    vocabulary,
    checksums=True,
)
add("word2vec text", "v.txt", vectors_text, vectors())
add("word2vec text replace", "v.vec", vectors_text, vectors(unicode_errors="replace", limit=2))
add("word2vec binary", "v.bin", lambda: vectors_binary(b"\n"), vectors())
add("word2vec binary gensim", "v.bin", lambda: vectors_binary(b""), vectors(binary=True))
add(
    "word2vec gz",
    "v.txt.gz",
    lambda: gzip.compress(vectors_text(), mtime=0),
    vectors(),
    checksums=True,
)
add(
    "word2vec xz",
    "v.bin.xz",
    lambda: lzma.compress(vectors_binary(b"\n")),
    vectors(),
    checksums=True,
)
add("word2vec zst", "v.txt.zst", lambda: zst(vectors_text()), vectors(), checksums=True)
add(
    "word2vec counts",
    "",
    lambda: {"v.txt": vectors_text(), "vocab.txt": "tea 12\ncaf\u00e9 3\ncup 1\n".encode()},
    vectors(),
)


# Tests of word vectors


def evaluation(name: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from corpora.datasets import formats

        if name == "bats":
            return formats.read_bats([path])
        return (
            formats.read_analogies(path) if name == "analogies" else formats.read_word_pairs(path)
        )

    return read


add(
    "analogies",
    "q.txt",
    lambda: b": capitals\nParis France Rome Italy\n: gram1\nbig bigger small smaller\n",
    evaluation("analogies"),
)
add(
    "word pairs",
    "p.tsv",
    lambda: "# a comment\ntea\tcup\t7.5\ncaf\u00e9\trum\t1\n".encode(),
    evaluation("pairs"),
)
add("bats", "b.txt", lambda: b"big\tbigger/larger\nsmall\tsmaller\n", evaluation("bats"))


# Ratings, features, triples


def ratings(path: Path) -> Any:
    from simec.recommender import read_ratings

    return [column.tolist() for column in read_ratings(path).triples()]


def features(path: Path) -> Any:
    from simec.recommender import read_features

    read = read_features(path, "item", min_count=1)
    return [read.ids.values.tolist(), read.names, read.matrix.toarray().tolist()]


def triples(path: Path) -> Any:
    from simec.links import read_dataset, read_triples

    return [list(part) for part in read_dataset(path)] if path.is_dir() else read_triples(path)


def movielens(path: Path) -> Any:
    from simec.recommender import read_movielens, read_movies, read_users

    result = [[column.tolist() for column in read_movielens(path).triples()]]
    result.append([(movie.movie, movie.title, movie.genres) for movie in read_movies(path)])
    if (path / "users.dat").exists() or (path / "u.user").exists():
        result.append([(user.user, user.gender, user.age, user.zip) for user in read_users(path)])
    return result


def rows(separator: str, header: str = "") -> Callable[[], bytes]:
    text = header + "".join(separator.join(row) + "\n" for row in RATINGS)
    return text.encode


ITEMS = (
    f"2|GoldenEye (1995)|01-Jan-1995||http://x|{'|'.join('01' * 9)}|0\n"
    f"3|Four Rooms (1995)|01-Jan-1995||http://y|{'|'.join('00' * 9)}|1\n"
)
MOVIELENS = {
    "100k": {
        "u.data": "1\t2\t5\t881250949\n1\t3\t3\t891717742\n2\t2\t1\t878887116\n",
        "u.item": ITEMS,
        "u.user": "1|24|M|technician|85711\n2|53|F|other|94043\n",
    },
    "1m": {
        "ratings.dat": "1::2::5::978300760\n1::3::3.5::978302109\n2::2::1::978301968\n",
        "movies.dat": "2::Jumanji (1995)::Adventure|Children's\n3::Amélie::Comedy\n",
        "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
    },
    "csv": {
        "ratings.csv": "userId,movieId,rating,timestamp\n1,2,5.0,964982703\n1,3,3.5,964981247\n",
        "movies.csv": 'movieId,title,genres\n2,"Jumanji, (1995)",Adventure|Children\n'
        "3,Heat,(no genres listed)\n",
    },
}
FEATURES = (
    'id,year,genre,name\ntea,1990,Action|Comedy,"a, b"\nrum,2001.5,Comedy,c\ngin,1987,Drama,a\n'
)

add("ratings csv", "r.csv", rows(",", "user,item,rating\n"), ratings)
add("ratings quoted", "r.csv", lambda: b'"a, b",x,5\n"c ""d""",y,3\ne,x,1\n', ratings)
add("ratings tsv", "r.tsv", rows("\t"), ratings)
add("ratings colons", "r.dat", rows("::"), ratings)
add("ratings numbers", "r.csv", lambda: b"1;10;4\n1;11;5\n2;10;1\n", ratings)
add("ratings gz", "r.csv.gz", lambda: gzip.compress(rows(",")(), mtime=0), ratings, checksums=True)
add("ratings zst", "r.csv.zst", lambda: zst(rows(",")()), ratings, checksums=True)
add("features", "f.csv", FEATURES.encode, features)
add("features bz2", "f.csv.bz2", lambda: bz2.compress(FEATURES.encode()), features, checksums=True)
add("triples", "t.txt", TRIPLES.encode, triples)
add(
    "triples gz",
    "t.txt.gz",
    lambda: gzip.compress(TRIPLES.encode(), mtime=0),
    triples,
    checksums=True,
)
add(
    "triples folder",
    "wn",
    lambda: {f"wn/{n}.txt": TRIPLES.encode() for n in ("train", "valid", "test")},
    triples,
)
for version, texts in MOVIELENS.items():
    add(
        f"movielens {version}",
        "ml",
        lambda texts=texts: {f"ml/{n}": t.encode() for n, t in texts.items()},
        movielens,
    )  # type: ignore[misc]

NAMES = list(_MAKERS)
