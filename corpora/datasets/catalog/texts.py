"""Corpora of running text."""

from __future__ import annotations

from corpora.datasets.catalog.entries import WIKIPEDIA, file
from corpora.datasets.records import Dataset, Download, File

_ONE_BILLION = "1-billion-word-language-modeling-benchmark-r13output"

TEXTS: tuple[Dataset, ...] = (
    Dataset(
        name="text8",
        kind="corpus",
        format="text8",
        description=(
            "First 10^8 bytes of cleaned English Wikipedia of 2006: 17,005,207 tokens, a-z only, "
            "on one line."
        ),
        files=(File("nlp/corpus/text8"),),
        license=WIKIPEDIA,
        citation="Mahoney, M. (2011). About the test data. http://mattmahoney.net/dc/textdata.html",
        homepage="http://mattmahoney.net/dc/textdata.html",
        downloads=(
            Download(
                "http://mattmahoney.net/dc/text8.zip",
                "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
                into="nlp/corpus",
                members="",
            ),
        ),
    ),
    Dataset(
        name="one-billion-words",
        kind="corpus",
        format="lm1b",
        description=(
            "1 Billion Word Language Model Benchmark, training part: 30,301,028 shuffled news "
            "sentences in 99 files, tokenized (1.8 GB to fetch, 4 GB unpacked)."
        ),
        files=tuple(
            File(
                f"nlp/corpus/{_ONE_BILLION}/training-monolingual.tokenized.shuffled/"
                f"news.en-{part:05d}-of-00100"
            )
            for part in range(1, 100)
        ),
        license="text of the WMT 2011 News Crawl under its terms; the benchmark's code Apache-2.0",
        citation=(
            "Chelba, C., Mikolov, T., Schuster, M., Ge, Q., Brants, T., Koehn, P., Robinson, T. "
            "(2013). One billion word benchmark for measuring progress in statistical language "
            "modeling. arXiv:1312.3005"
        ),
        homepage="https://www.statmt.org/lm-benchmark/",
        downloads=(
            Download(
                f"http://www.statmt.org/lm-benchmark/{_ONE_BILLION}.tar.gz",
                "01ba60381110baf7f189dfd2b8374de371e8c9a340835793f190bdae9e90a34e",
                into="nlp/corpus",
                members="",
            ),
        ),
    ),
    Dataset(
        name="enwiki2015_text8like",
        kind="corpus",
        format="text",
        description=(
            "30,539 articles of English Wikipedia of 2015, one per line, cleaned like text8, cut "
            "to just under 10^8 bytes: 17,021,681 tokens. Not text8: results are not comparable "
            "with published results on text8."
        ),
        files=(file("nlp/corpus/enwiki2015_text8like.txt"),),
        license=WIKIPEDIA,
        citation="English Wikipedia, 2015, plain text by WikiExtractor.",
        homepage="https://dumps.wikimedia.org/enwiki/",
        how_to_get="A derived file: clean a dump with the rules of wikifil.pl, or use text8.",
    ),
    Dataset(
        name="enwiki2019_featured",
        kind="corpus",
        format="wikiextractor",
        description=(
            "4,012 featured articles of English Wikipedia of 2019, cased text in WikiExtractor "
            "format: 17,101,100 tokens."
        ),
        files=(file("nlp/corpus/enwiki2019_featured.txt"),),
        license=WIKIPEDIA,
        citation="English Wikipedia, 2019, plain text by WikiExtractor.",
        homepage="https://dumps.wikimedia.org/enwiki/",
        how_to_get="Run WikiExtractor over a dump and keep the featured articles.",
    ),
    Dataset(
        name="enwiki2019_good_sample",
        kind="corpus",
        format="wikiextractor",
        description=(
            "1,990 good articles of English Wikipedia of 2019, cased text in WikiExtractor format: "
            "5,481,715 tokens. Five of them are also among the featured ones."
        ),
        files=(file("nlp/corpus/enwiki2019_good_sample.txt"),),
        license=WIKIPEDIA,
        citation="English Wikipedia, 2019, plain text by WikiExtractor.",
        homepage="https://dumps.wikimedia.org/enwiki/",
        how_to_get="Run WikiExtractor over a dump and keep a sample of the good articles.",
    ),
    Dataset(
        name="reuters21578",
        kind="corpus",
        format="reuters",
        description="Reuters newswire of 1987 as SGML with topic labels: 21,578 documents.",
        # No checksum: several versions of the archive are in circulation.
        files=(File("nlp/corpus/reuters21578.tar"),),
        license="free distribution for research purposes only (its README); copyright Reuters Ltd.",
        citation="Lewis, D. D. (1997). Reuters-21578 text categorization test collection, 1.0.",
        homepage="https://archive.ics.uci.edu/dataset/137",
        downloads=(
            Download(
                "https://archive.ics.uci.edu/ml/machine-learning-databases/reuters21578-mld/"
                "reuters21578.tar.gz",
                "3bae43c9b14e387f76a61b6d82bf98a4fb5d3ef99ef7e7075ff2ccbcf59f9d30",
                into="nlp/corpus/reuters21578.tar.gz",
            ),
        ),
    ),
    Dataset(
        name="conll2003",
        kind="corpus",
        format="conll",
        description=(
            "CoNLL-2003 English named entities: columns word, POS, chunk, NER (IOB1); train "
            "14,041 sentences, testa 3,250, testb 3,453."
        ),
        files=tuple(file(f"nlp/conll2003/eng.{part}") for part in ("train", "testa", "testb")),
        license=(
            "annotations: University of Antwerp; text: Reuters RCV1, distributed by NIST under an "
            "agreement for research use"
        ),
        citation=(
            "Tjong Kim Sang, E. F., De Meulder, F. (2003). Introduction to the CoNLL-2003 shared "
            "task: language-independent named entity recognition. CoNLL."
        ),
        homepage="https://www.clips.uantwerpen.be/conll2003/ner/",
        how_to_get=(
            "It can't be redistributed. Ask NIST for the Reuters Corpus "
            "(https://trec.nist.gov/data/reuters/reuters.html) and build eng.train, eng.testa and "
            "eng.testb with the scripts of https://www.clips.uantwerpen.be/conll2003/ner/."
        ),
    ),
)
