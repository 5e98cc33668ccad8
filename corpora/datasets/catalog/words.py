"""Analogy questions and word pairs with human ratings."""

from __future__ import annotations

from corpora.datasets.catalog.entries import GITHUB, NOT_STATED, file, files, plain
from corpora.datasets.records import Dataset

_WORDSIM = f"{GITHUB}/mfaruqui/eval-word-vectors/94b3dd9fdbac7ed08dbee7179cd5ee464acf0594"
_WORD2VEC = f"{GITHUB}/tmikolov/word2vec/20c129af10659f7c50e86e3be406df663beff438"
_KG2VEC = f"{GITHUB}/ziyi-yang/KG2Vec/a7ca821664ab0166285abb02b7fae9acd4282f29"

_WORDS = file("nlp/analogy/questions-words.txt")
_PHRASES = file("nlp/analogy/questions-phrases.txt")
_CARD = file("nlp/similarity/card-660/dataset.tsv")


def _word_pairs(
    name: str,
    file_name: str,
    description: str,
    citation: str,
    homepage: str = "https://github.com/mfaruqui/eval-word-vectors",
    license: str = NOT_STATED,
) -> Dataset:
    """Return a set of ``word1 <tab> word2 <tab> score`` of the eval-word-vectors collection."""
    record = file(f"nlp/similarity/{file_name}")
    return Dataset(
        name=name,
        kind="word-pairs",
        description=description,
        files=(record,),
        license=license,
        citation=citation,
        homepage=homepage,
        downloads=plain(f"{_WORDSIM}/data/word-sim", record),
    )


WORDS: tuple[Dataset, ...] = (
    Dataset(
        name="questions-words",
        kind="analogies",
        description="Google analogy questions: 19,544 in 14 sections (5 semantic, 9 syntactic).",
        files=(_WORDS,),
        license="Apache-2.0 (word2vec)",
        citation=(
            "Mikolov, T., Chen, K., Corrado, G., Dean, J. (2013). Efficient estimation of word "
            "representations in vector space. arXiv:1301.3781"
        ),
        homepage="https://github.com/tmikolov/word2vec",
        downloads=plain(_WORD2VEC, _WORDS),
    ),
    Dataset(
        name="questions-phrases",
        kind="analogies",
        description="Google analogy questions for phrases joined with _: 3,218.",
        files=(_PHRASES,),
        license="Apache-2.0 (word2vec)",
        citation=(
            "Mikolov, T., Sutskever, I., Chen, K., Corrado, G., Dean, J. (2013). Distributed "
            "representations of words and phrases and their compositionality. NIPS."
        ),
        homepage="https://github.com/tmikolov/word2vec",
        downloads=plain(_WORD2VEC, _PHRASES),
    ),
    Dataset(
        name="bats",
        kind="pair-analogies",
        description=(
            "Bigger Analogy Test Set 3.0: 40 relations of 50 pairs (inflectional, derivational, "
            "encyclopedic, lexicographic)."
        ),
        files=files("nlp/analogy/BATS_3.0"),
        license=NOT_STATED,
        citation=(
            "Gladkova, A., Drozd, A., Matsuoka, S. (2016). Analogy-based detection of "
            "morphological and semantic relations with word embeddings: what works and what "
            "doesn't. NAACL Student Research Workshop."
        ),
        homepage="https://vecto.space/projects/BATS/",
        how_to_get=(
            "Download BATS 3.0 from https://vecto.space/projects/BATS/ and unpack it with its four "
            "folder names in lower case."
        ),
    ),
    _word_pairs(
        "wordsim353",
        "EN-WS-353-ALL.txt",
        "WordSim-353: 353 pairs, similarity and relatedness mixed.",
        "Finkelstein, L. et al. (2002). Placing search in context: the concept revisited. "
        "ACM TOIS 20(1).",
    ),
    _word_pairs(
        "wordsim353-sim",
        "EN-WS-353-SIM.txt",
        "WordSim-353, similarity subset: 203 pairs.",
        "Agirre, E. et al. (2009). A study on similarity and relatedness using distributional and "
        "WordNet-based approaches. NAACL.",
    ),
    _word_pairs(
        "wordsim353-rel",
        "EN-WS-353-REL.txt",
        "WordSim-353, relatedness subset: 252 pairs.",
        "Agirre, E. et al. (2009). A study on similarity and relatedness using distributional and "
        "WordNet-based approaches. NAACL.",
    ),
    _word_pairs(
        "simlex999",
        "EN-SIMLEX-999.txt",
        "SimLex-999, scores only: 999 pairs, genuine similarity.",
        "Hill, F., Reichart, R., Korhonen, A. (2015). SimLex-999: evaluating semantic models with "
        "(genuine) similarity estimation. Computational Linguistics 41(4).",
        "https://fh295.github.io/simlex.html",
    ),
    _word_pairs(
        "simverb3500",
        "EN-SimVerb-3500.txt",
        "SimVerb-3500, scores only: 3,500 verb pairs.",
        "Gerz, D., Vulić, I., Hill, F., Reichart, R., Korhonen, A. (2016). SimVerb-3500: a "
        "large-scale evaluation set of verb similarity. EMNLP.",
        "http://people.ds.cam.ac.uk/dsg40/simverb.html",
    ),
    _word_pairs(
        "men",
        "EN-MEN-TR-3k.txt",
        "MEN: 3,000 pairs, relatedness from 0 to 50.",
        "Bruni, E., Tran, N. K., Baroni, M. (2014). Multimodal distributional semantics. JAIR 49.",
        "https://staff.fnwi.uva.nl/e.bruni/MEN",
        "CC BY 2.0",
    ),
    _word_pairs(
        "rw",
        "EN-RW-STANFORD.txt",
        "Stanford Rare Words, mean score only: 2,034 pairs.",
        "Luong, T., Socher, R., Manning, C. (2013). Better word representations with recursive "
        "neural networks for morphology. CoNLL.",
        "https://nlp.stanford.edu/~lmthang/morphoNLM/",
    ),
    _word_pairs(
        "mturk-287",
        "EN-MTurk-287.txt",
        "MTurk-287: 287 pairs, relatedness.",
        "Radinsky, K., Agichtein, E., Gabrilovich, E., Markovitch, S. (2011). A word at a time: "
        "computing word relatedness using temporal semantic analysis. WWW.",
    ),
    _word_pairs(
        "mturk-771",
        "EN-MTurk-771.txt",
        "MTurk-771: 771 pairs, relatedness.",
        "Halawi, G., Dror, G., Gabrilovich, E., Koren, Y. (2012). Large-scale learning of word "
        "relatedness with constraints. KDD.",
    ),
    _word_pairs(
        "rg65",
        "EN-RG-65.txt",
        "RG-65: 65 noun pairs, synonymy.",
        "Rubenstein, H., Goodenough, J. B. (1965). Contextual correlates of synonymy. CACM 8(10).",
    ),
    _word_pairs(
        "mc30",
        "EN-MC-30.txt",
        "MC-30: 30 of the RG-65 noun pairs, rated again.",
        "Miller, G. A., Charles, W. G. (1991). Contextual correlates of semantic similarity. "
        "Language and Cognitive Processes 6(1).",
    ),
    _word_pairs(
        "yp130",
        "EN-YP-130.txt",
        "YP-130: 130 verb pairs.",
        "Yang, D., Powers, D. M. W. (2006). Verb similarity on the taxonomy of WordNet. GWC.",
    ),
    _word_pairs(
        "verb143",
        "EN-VERB-143.txt",
        "Verb-143: 144 pairs of inflected verbs.",
        "Baker, S., Reichart, R., Korhonen, A. (2014). An unsupervised model for instance level "
        "subcategorization acquisition. EMNLP.",
    ),
    Dataset(
        name="card660",
        kind="word-pairs",
        description="CARD-660, Cambridge Rare Words: 660 pairs of rare words and phrases, 0 to 4.",
        files=(_CARD,),
        license=NOT_STATED,
        citation=(
            "Pilehvar, M. T., Kartsaklis, D., Prokhorov, V., Collier, N. (2018). Card-660: "
            "Cambridge Rare Word dataset. EMNLP."
        ),
        homepage="https://pilehvar.github.io/card-660/",
        downloads=plain(f"{_KG2VEC}/test_data/card-660", _CARD),
    ),
)
