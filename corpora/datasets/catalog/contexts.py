"""Words in context: senses, similarity in context, words with few occurrences."""

from __future__ import annotations

from corpora.datasets.catalog.entries import GITHUB, NOT_STATED, file, files, plain
from corpora.datasets.records import Dataset, Download

_ADAGRAM = f"{GITHUB}/sbos/AdaGram.jl/7182843832ac2d8899ba6b437809dd5bb1f31dd9"
_RAW_C = f"{GITHUB}/seantrott/raw-c/6b8170b798ac1fc7c66cd1aeda7e562f476bc6c5"
_ALACARTE = f"{GITHUB}/NLPrinceton/ALaCarte/7e341aba95f32e82c3ae316e8bd99f8a47174637"

_SEMEVAL_2010 = tuple(file(f"nlp/sense/semeval2010_task14/{f}.txt") for f in ("dataset", "key"))
_SEMEVAL_2013 = tuple(
    file(f"nlp/sense/semeval2013_task13/{name}")
    for name in ("semeval-2013-task-13-test-data.senseval2.xml", "gold.all.key")
)
_WIC = tuple(
    file(f"nlp/sense/wic/{part}.{what}.txt")
    for part in ("train", "dev", "test")
    for what in ("data", "gold")
)
_RAW_C_FILE = file("nlp/sense/raw-c/raw-c.csv")
_CHIMERAS = files("nlp/fewshot/chimeras")
_NONCES = files("nlp/fewshot/nonces")

CONTEXTS: tuple[Dataset, ...] = (
    Dataset(
        name="crw_dev",
        kind="word-pairs",
        description=(
            "Development set for Contextual Rare Words: 550 pairs of Rare Words (the second word "
            "is the rare one) and 193,998 sentences with the 414 rare words "
            "(contexts.tsv: word <tab> sentence). Not CRW itself."
        ),
        files=tuple(
            file(f"nlp/fewshot/crw-dev/{name}")
            for name in ("CRW-550.txt", "rarevocab.txt", "contexts.tsv")
        ),
        license="Apache-2.0; sentences of Wikipedia: CC BY-SA",
        citation=(
            "Schick, T., Schütze, H. (2019). Learning semantic representations for novel words: "
            "leveraging both form and context. AAAI."
        ),
        homepage="https://github.com/timoschick/form-context-model",
        how_to_get=(
            "Clone https://github.com/timoschick/form-context-model, copy crw-dev/CRW-550.txt and "
            "crw-dev/rarevocab.txt, and join crw-dev/context/WORD.txt in alphabetical order to "
            "contexts.tsv with lines 'WORD <tab> sentence'."
        ),
    ),
    Dataset(
        name="scws",
        kind="other",
        description=(
            "Stanford Contextual Word Similarities: 2,003 word pairs in context (target between "
            "<b> and </b>) with ten ratings; tab separated."
        ),
        files=(file("nlp/sense/scws/ratings.txt"),),
        license=NOT_STATED,
        citation=(
            "Huang, E. H., Socher, R., Manning, C. D., Ng, A. Y. (2012). Improving word "
            "representations via global context and multiple word prototypes. ACL."
        ),
        homepage="http://ai.stanford.edu/~ehhuang/",
        downloads=(
            Download(
                "http://www-nlp.stanford.edu/~ehhuang/SCWS.zip",
                None,
                into="nlp/sense/scws",
                members="SCWS/",
            ),
        ),
    ),
    Dataset(
        name="wic",
        kind="other",
        description=(
            "Word-in-Context 1.0: is a word used in the same sense in two sentences? train 5,428, "
            "dev 638, test 1,400."
        ),
        files=_WIC,
        license="CC BY-NC 4.0",
        citation=(
            "Pilehvar, M. T., Camacho-Collados, J. (2019). WiC: the Word-in-Context dataset for "
            "evaluating context-sensitive meaning representations. NAACL."
        ),
        homepage="https://pilehvar.github.io/wic/",
        how_to_get=(
            "Download https://pilehvar.github.io/wic/package/WiC_dataset.zip and put the files of "
            "its folders train, dev and test into one folder."
        ),
    ),
    Dataset(
        name="raw-c",
        kind="other",
        description=(
            "RAW-C: graded human relatedness of 112 ambiguous words in 672 sentence pairs (CSV)."
        ),
        files=(_RAW_C_FILE,),
        license=NOT_STATED,
        citation=(
            "Trott, S., Bergen, B. (2021). RAW-C: relatedness of ambiguous words in context. ACL."
        ),
        homepage="https://github.com/seantrott/raw-c",
        downloads=plain(f"{_RAW_C}/data/processed", _RAW_C_FILE),
    ),
    Dataset(
        name="semeval2010_task14",
        kind="other",
        description=(
            "SemEval-2010 task 14, word sense induction, in AdaGram's plain form: 100 words, 8,915 "
            "instances (left context <tab> right context) and their senses."
        ),
        files=_SEMEVAL_2010,
        license=NOT_STATED,
        citation=(
            "Manandhar, S., Klapaftis, I., Dligach, D., Pradhan, S. (2010). SemEval-2010 task 14: "
            "word sense induction & disambiguation. SemEval."
        ),
        homepage="https://www.cs.york.ac.uk/semeval2010_WSI/",
        downloads=plain(f"{_ADAGRAM}/data/semeval-2010", *_SEMEVAL_2010),
    ),
    Dataset(
        name="semeval2013_task13",
        kind="other",
        description=(
            "SemEval-2013 task 13, graded word sense induction: 50 words, 4,664 instances with "
            "gold, in senseval-2 XML."
        ),
        files=_SEMEVAL_2013,
        license=NOT_STATED,
        citation=(
            "Jurgens, D., Klapaftis, I. (2013). SemEval-2013 task 13: word sense induction for "
            "graded and non-graded senses. SemEval."
        ),
        homepage="https://www.cs.york.ac.uk/semeval-2013/task13/",
        how_to_get="Download the test data from https://www.cs.york.ac.uk/semeval-2013/task13/.",
    ),
    Dataset(
        name="chimeras",
        kind="other",
        description=(
            "Chimeras: a nonce word (___) in 2, 4 or 6 sentences, probe words and human ratings; "
            "220 train and 110 test trials of each (fixed: sentences separated by @@)."
        ),
        files=_CHIMERAS,
        license=NOT_STATED,
        citation=(
            "Lazaridou, A., Marelli, M., Baroni, M. (2017). Multimodal word meaning induction from "
            "minimal exposure to natural text. Cognitive Science 41."
        ),
        homepage="https://github.com/NLPrinceton/ALaCarte",
        downloads=plain(f"{_ALACARTE}/data-chimeras", *_CHIMERAS),
    ),
    Dataset(
        name="definitional_nonces",
        kind="other",
        description=(
            "Definitional nonces: a word and its Wikipedia definition with ___ for the word; 700 "
            "train, 300 test."
        ),
        files=_NONCES,
        license="definitions of Wikipedia: CC BY-SA",
        citation=(
            "Herbelot, A., Baroni, M. (2017). High-risk learning: acquiring new word vectors from "
            "tiny data. EMNLP."
        ),
        homepage="https://github.com/minimalparts/nonce2vec",
        downloads=plain(f"{_ALACARTE}/data-nonces", *_NONCES),
    ),
)
