"""The spaCy component ``context_encoder``: vectors of tokens in their contexts.

spaCy finds it, and the architecture ``conec.ContextVectors.v1``, by entry points of this package.
Annotations are evaluated, because spaCy validates configurations by them.
"""

import io
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc, Span, Token
from spacy.util import minibatch, registry
from thinc.api import Maxout, Model, chain, concatenate, with_array

from conec import ContextEncoder, load
from conec.types import FloatArray, SenseChoice, StrPath
from corpora.checks import check_choice, check_flag, check_number

__all__ = ["ContextEncoderPipe", "context_vectors", "make_pipe", "set_vector_hooks"]

_ATTRIBUTES = {"ORTH": "orth_", "LOWER": "lower_", "NORM": "norm_", "LEMMA": "lemma_"}
_KEY = "context_vectors"  # of ``doc.user_data``

if not Doc.has_extension(_KEY):
    Doc.set_extension(_KEY, getter=lambda doc: doc.user_data.get(_KEY))


class ContextEncoderPipe(Pipe):  # type: ignore[misc]
    """Embeds the tokens of documents with a `conec.ContextEncoder`.

    ``doc._.context_vectors`` is a float32 array of shape (n_tokens, d). ``token.vector`` is a row
    of it, and ``span.vector`` and ``doc.vector`` are means of the rows that are not zero;
    ``similarity`` is the cosine of two vectors. White space and punctuation that the vocabulary
    does not contain is skipped: it has no vector, and is not part of contexts.

    Parameters
    ----------
    nlp : spacy.language.Language
    name : str
    model : str, optional
        Folder of the encoder; None if it is set by `encoder`, or read with the pipeline.
    a : float
        Weight of the words themselves, and 1 - a of their contexts.
    senses : {"auto", "soft", "hard", "none"}
        As for `conec.ContextEncoder.embed`.
    per_occurrence : bool
        Whether occurrences of a word in a document have contexts of their own.
    attr : {"auto", "ORTH", "LOWER", "NORM", "LEMMA"}
        The form of a token that is looked up in the vocabulary. "auto": "LOWER" if no word of
        the vocabulary has an upper-case letter, and "ORTH" otherwise.

    Raises
    ------
    ValueError, TypeError
        If a parameter is invalid.
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        model: str | None = None,
        a: float = 0.8,
        senses: str = "auto",
        per_occurrence: bool = False,
        attr: str = "auto",
    ) -> None:
        self.vocab, self.name, self.path = nlp.vocab, name, model
        if not 0 <= check_number("a", a, 0) <= 1:
            raise ValueError(f"a must be from 0 to 1, got {a!r}")
        check_choice("senses", senses, SenseChoice)
        check_choice("attr", attr, ("auto", *_ATTRIBUTES))
        self.a, self.attr = float(a), attr
        self.senses = cast(SenseChoice, senses)
        self.per_occurrence = check_flag("per_occurrence", per_occurrence)
        self._encoder: ContextEncoder | None = None
        # what spaCy asks of a component that others get vectors from
        self.model: None = None
        self.listener_map: dict[str, list[Any]] = {}

    @property
    def encoder(self) -> ContextEncoder:
        """The encoder, read from its folder when it is first needed.

        Raises
        ------
        ValueError
            If neither a folder nor an encoder was set.
        FileNotFoundError, ModelError
            As for `conec.load`.
        """
        if self._encoder is None:
            if self.path is None:
                raise ValueError(
                    f"the component {self.name!r} has no model: add it with "
                    'config={"model": FOLDER}, or set its attribute encoder'
                )
            self.encoder = load(self.path)
        assert self._encoder is not None
        return self._encoder

    @encoder.setter
    def encoder(self, encoder: ContextEncoder) -> None:
        self._encoder = encoder
        self._words: dict[int, str | None] = {}
        attr = self.attr
        if attr == "auto":
            is_lower = all(word == word.lower() for word in encoder.vocabulary.words)
            attr = "LOWER" if is_lower else "ORTH"
        self._form = _ATTRIBUTES[attr]
        # norms and lemmas depend on the token, other forms on its text
        self._by_text = attr in ("ORTH", "LOWER")

    # Documents

    def __call__(self, doc: Any) -> Any:
        """Embed the tokens of a document."""
        self._set_vectors([doc])
        return doc

    def pipe(self, stream: Iterable[Any], *, batch_size: int = 128) -> Iterator[Any]:
        """Embed the tokens of documents, `batch_size` documents at a time."""
        handle_error = self.get_error_handler()
        for docs in minibatch(stream, size=batch_size):
            try:
                self._set_vectors(docs)
            except Exception as error:
                handle_error(self.name, self, docs, error)
            else:
                yield from docs

    def _set_vectors(self, docs: Sequence[Any]) -> None:
        for doc, vectors in zip(docs, self.embed(docs), strict=True):
            doc.user_data[_KEY] = vectors
            set_vector_hooks(doc)

    def embed(self, docs: Sequence[Any]) -> list[FloatArray]:
        """Embeddings of the tokens of documents.

        Parameters
        ----------
        docs : sequence of spacy.tokens.Doc

        Returns
        -------
        list of float32 arrays of shape (n_tokens, d)
            Rows of tokens that are skipped, or have no vector, are zero.
        """
        encoder = self.encoder
        texts, kept = [], []
        for doc in docs:
            words = [self._word(token) for token in doc]
            rows = [i for i, word in enumerate(words) if word is not None]
            texts.append([word for word in words if word is not None])
            kept.append(rows)
        embedded = encoder.embed_batch(
            texts, self.a, senses=self.senses, per_occurrence=self.per_occurrence
        )
        result = []
        for doc, rows, vectors in zip(docs, kept, embedded, strict=True):
            full = np.zeros((len(doc), encoder.config.vector_size), np.float32)
            full[rows] = vectors
            result.append(full)
        return result

    def _word(self, token: Any) -> str | None:
        """The word of a token, or None if it is skipped."""
        if self._by_text and token.orth in self._words:
            return self._words[token.orth]
        word: str | None = getattr(token, self._form)
        if (token.is_punct or token.is_space) and word not in self.encoder:
            word = None
        if self._by_text:
            self._words[token.orth] = word
        return word

    # Components that use the vectors

    @property
    def listeners(self) -> list[Any]:
        """Layers of other components that use the vectors."""
        return [layer for layers in self.listener_map.values() for layer in layers]

    @property
    def listening_components(self) -> list[str]:
        """Names of components that use the vectors."""
        return list(self.listener_map)

    def add_listener(self, listener: Any, component_name: str) -> None:
        """Let a layer of another component use the vectors."""
        self.listener_map.setdefault(component_name, []).append(listener)
        listener.source = self

    def remove_listener(self, listener: Any, component_name: str) -> bool:
        """Remove a layer; return whether it used the vectors."""
        layers = self.listener_map.get(component_name, [])
        if listener not in layers:
            return False
        layers.remove(listener)
        if not layers:
            del self.listener_map[component_name]
        return True

    def find_listeners(self, component: Any) -> None:
        """Find the layers of a component that use the vectors; spaCy calls it."""
        model = getattr(component, "model", None)
        if isinstance(model, Model):
            for layer in model.walk():
                if isinstance(layer, _ContextVectors):
                    self.add_listener(layer, component.name)

    # Files

    def to_disk(self, path: StrPath, *, exclude: Iterable[str] = ()) -> None:  # noqa: ARG002
        """Save the encoder to a folder."""
        self.encoder.save(path)

    def from_disk(
        self,
        path: StrPath,
        *,
        exclude: Iterable[str] = (),  # noqa: ARG002
    ) -> "ContextEncoderPipe":
        """Read an encoder that `to_disk` saved; its weights are memory-mapped."""
        self.encoder = load(path)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:  # noqa: ARG002
        """The folder of `to_disk` as a zip archive that is not compressed."""
        content = io.BytesIO()
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "encoder"
            self.to_disk(folder)
            with zipfile.ZipFile(content, "w") as archive:
                for file in sorted(folder.rglob("*")):
                    archive.write(file, file.relative_to(folder))
        return content.getvalue()

    def from_bytes(
        self,
        data: bytes,
        *,
        exclude: Iterable[str] = (),  # noqa: ARG002
    ) -> "ContextEncoderPipe":
        """Read an encoder from what `to_bytes` returned."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as parent:  # for Windows
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                archive.extractall(parent)
            # mapped weights stay readable after their files are deleted
            self.encoder = load(parent)
        return self


@Language.factory(  # type: ignore[untyped-decorator]
    "context_encoder",
    assigns=["doc._.context_vectors"],
    default_config={
        "model": None, "a": 0.8, "senses": "auto", "per_occurrence": False, "attr": "auto"
    },
)  # fmt: skip
def make_pipe(
    nlp: Language,
    name: str,
    model: str | None,
    a: float,
    senses: str,
    per_occurrence: bool,
    attr: str,
) -> ContextEncoderPipe:
    """Create the component ``context_encoder``; spaCy calls it."""
    return ContextEncoderPipe(nlp, name, model, a, senses, per_occurrence, attr)


# Vectors of documents and of their parts


def set_vector_hooks(doc: Any) -> None:
    """Let ``vector`` and ``similarity`` of a document and its parts use its context vectors.

    The component does so. spaCy does not save hooks: after ``Doc.from_bytes``, and for documents
    of ``nlp.pipe(n_process=2)``, call this function.

    Parameters
    ----------
    doc : spacy.tokens.Doc
        With ``doc._.context_vectors``.
    """
    _vectors(doc)
    hooks = {"vector": _vector, "has_vector": _has_vector, "similarity": _similarity}
    for each in (doc.user_hooks, doc.user_span_hooks, doc.user_token_hooks):
        each.update(hooks)


def _vectors(doc: Any) -> FloatArray:
    vectors: FloatArray | None = doc.user_data.get(_KEY)
    if vectors is None:
        problem = "has no context vectors"
    elif len(vectors) != len(doc):
        problem = (
            f"has {len(vectors)} context vectors for {len(doc)} tokens, after a merge or split"
        )
    else:
        return vectors
    raise ValueError(f"the document {problem}: apply the component context_encoder to it")


def _vector(part: Any) -> FloatArray:
    if isinstance(part, Token):
        row: FloatArray = _vectors(part.doc)[part.i]
        return row
    is_span = isinstance(part, Span)
    vectors = _vectors(part.doc)[part.start : part.end] if is_span else _vectors(part)
    n = int(vectors.any(axis=1).sum())
    mean: FloatArray = vectors.sum(axis=0) / np.float32(max(n, 1))
    return mean


def _has_vector(part: Any) -> bool:
    return bool(_vector(part).any())


def _similarity(part: Any, other: Any) -> float:
    if not other.has_vector:
        return 0.0
    one, two = _vector(part), np.asarray(other.vector)
    if one.shape != two.shape:
        raise ValueError(
            f"vectors of {len(one)} and {len(two)} dimensions cannot be compared: apply the "
            "component context_encoder to both documents"
        )
    product = float(np.linalg.norm(one)) * float(np.linalg.norm(two))
    return float(one @ two) / product if product else 0.0


# For trained components


class _ContextVectors(Model):  # type: ignore[misc]
    """The layer whose output are the context vectors of documents; it is not trained.

    Attributes
    ----------
    source : ContextEncoderPipe or None
        Set by spaCy when it links components.
    """

    def __init__(self) -> None:
        super().__init__("context_vectors", _forward)
        self.source: ContextEncoderPipe | None = None


def _forward(layer: _ContextVectors, docs: Sequence[Any], is_train: bool) -> Any:  # noqa: ARG001
    if layer.source is None:
        raise ValueError(
            "conec.ContextVectors.v1 needs a component context_encoder earlier in the pipeline"
        )
    computed = [doc.user_data.get(_KEY) for doc in docs]
    missing = [i for i, vectors in enumerate(computed) if vectors is None]
    new = layer.source.embed([docs[i] for i in missing])
    for i, vectors in zip(missing, new, strict=True):
        computed[i] = vectors
    return [layer.ops.asarray2f(vectors) for vectors in computed], lambda _: []


@registry.architectures("conec.ContextVectors.v1")  # type: ignore[untyped-decorator]
def context_vectors(width: int, embed: Model | None = None) -> Model:
    """Architecture ``conec.ContextVectors.v1``: context vectors as input of trained components.

    Context vectors, and optionally the features of another layer, are mapped to `width` features
    by a trained layer (maxout). It is a ``tok2vec`` layer itself, or the ``embed`` layer of
    ``spacy.Tok2Vec.v2``.

    Parameters
    ----------
    width : int
        Number of features of a token.
    embed : thinc.api.Model, optional
        For example ``spacy.MultiHashEmbed.v2``.

    Returns
    -------
    thinc.api.Model
        From a list of documents to a list of float32 arrays of shape (n_tokens, width).
    """
    vectors = _ContextVectors()
    inputs = vectors if embed is None else concatenate(vectors, embed)
    model = chain(inputs, with_array(Maxout(nO=width, nP=3, normalize=True)))
    model.set_dim("nO", width)
    return model
