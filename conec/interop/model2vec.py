"""Word vectors as a static embedding model of model2vec and sentence-transformers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save_file

from conec.interop.checks import check_vectors
from conec.interop.exported import export_folder
from conec.sentences import SIF_SCALE
from conec.types import StrPath

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = ["save_model2vec"]

_SPECIAL = ("[PAD]", "[UNK]")
# Words of the tokenizer "Whitespace": letters and digits, or other characters
_SIMPLE = re.compile(r"\w+|[^\w\s]+")
# The same, with hyphens, apostrophes and points within words
_COMPOUND = r"\w+(?:[-'’.]\w+)*|[^\w\s]+"


def save_model2vec(vectors: KeyedVectors, folder: StrPath, lang: str = "xx") -> None:
    """Write word vectors as a folder that model2vec and sentence-transformers load.

    ``model2vec.StaticModel.from_pretrained(folder)`` and
    ``sentence_transformers.SentenceTransformer(folder)`` compute means of the vectors of the words
    of a text, of unit length. If the vectors have the attribute ``"count"``, they are multiplied by
    smooth inverse frequencies, as in `conec.ContextEncoder.encode`.

    Texts are split into words of letters and digits, with hyphens, apostrophes and points within
    them if words of the vocabulary have these, and into runs of other characters. They are
    converted to lower case if all words of the vocabulary are.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
    folder : path
        A folder to create, or an earlier export to replace; see `save_spacy`.
    lang : str
        Language code for the model card; "xx": none.

    Raises
    ------
    ValueError
        If `check_vectors` finds an error, or a word is "[PAD]" or "[UNK]".
    FileExistsError
        If the folder holds files that are not from an earlier export.
    OSError
        If it cannot be written.
    """
    check_vectors(vectors)
    words: list[str] = list(vectors.index_to_key)
    if reserved := set(_SPECIAL) & set(words):
        raise ValueError(
            f"words of the tokenizer cannot be exported: {', '.join(sorted(reserved))}"
        )
    matrix: Any = vectors.vectors
    size = matrix.shape[1]
    dtype = np.float16 if matrix.dtype == np.float16 else np.float32
    counts = vectors.expandos.get("count")
    weights = np.ones(len(words), np.float32)
    if counts is not None:
        shares = np.asarray(counts) / max(int(np.sum(counts)), 1)
        weights = (SIF_SCALE / (SIF_SCALE + shares)).astype(np.float32)
    embeddings = np.zeros((len(_SPECIAL) + len(words), size), dtype)
    embeddings[len(_SPECIAL) :] = matrix * weights[:, None]
    config = {
        "model_type": "model2vec", "architectures": ["StaticModel"], "tokenizer_name": "conec",
        "hidden_dim": size, "seq_length": 1_000_000, "max_length": None, "normalize": True,
        "embedding_dtype": np.dtype(dtype).name,
    }  # fmt: skip
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (path, name) in enumerate([(".", "StaticEmbedding"), ("1_Normalize", "Normalize")])
    ]
    with export_folder(folder) as temporary:
        save_file({"embeddings": embeddings}, temporary / "model.safetensors")
        for name, content in (
            ("tokenizer.json", _tokenizer(words)), ("config.json", config),
            ("modules.json", modules),
        ):  # fmt: skip
            text = json.dumps(content, ensure_ascii=False, indent=None if "tok" in name else 1)
            (temporary / name).write_text(text, "utf-8")
        (temporary / "README.md").write_text(_card(len(words), size, lang), "utf-8")


def _tokenizer(words: list[str]) -> dict[str, Any]:
    """Configuration of a tokenizer of the package tokenizers that looks words up."""
    is_simple = all(_SIMPLE.fullmatch(word) for word in words)
    split = {"type": "Whitespace"} if is_simple else {
        "type": "Split", "pattern": {"Regex": _COMPOUND}, "behavior": "Removed", "invert": True,
    }  # fmt: skip
    special = [
        {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True} for i, token in enumerate(_SPECIAL)
    ]  # fmt: skip
    is_lower = all(word == word.lower() for word in words)
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": {"type": "Lowercase"} if is_lower else None, "pre_tokenizer": split,
        "post_processor": None, "decoder": None,
        "model": {
            "type": "WordLevel", "unk_token": "[UNK]",
            "vocab": {word: i for i, word in enumerate([*_SPECIAL, *words])},
        },
    }  # fmt: skip


def _card(n_words: int, size: int, lang: str) -> str:
    language = "" if lang == "xx" else f"language:\n- {lang}\n"
    return f"""---
library_name: model2vec
{language}tags:
- embeddings
- static-embeddings
- sentence-transformers
---
# Word vectors of a Context Encoder

{n_words:,} words, {size} dimensions, exported with `conec export --to model2vec`.

```python
from model2vec import StaticModel

model = StaticModel.from_pretrained("FOLDER")
model.encode(["a sentence", "another"])
```

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("FOLDER")
model.encode(["a sentence", "another"])
```
"""
