"""gensim's names: accepted where the meaning is the same, or else an error names the counterpart.

``Word2Vec`` and `ContextEncoder` share the names of most parameters and methods. `NAMES` has the
others; ``docs/how-to/migrating-from-gensim.md`` describes them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from conec.config import PARAMETERS, Config
from corpora.checks import check_flag, closest
from corpora.errors import warn

Function = TypeVar("Function", bound=Callable[..., Any])

_ANY = object()  # accepted with any value


class Name(NamedTuple):
    """A name of gensim's.

    Attributes
    ----------
    advice : str
        The counterpart, or the reason why the name has no counterpart; for the error.
    same_as : str
        Name of the parameter that has the same meaning, or empty.
    accepted : tuple
        Values of a parameter that change nothing, because they describe what is done anyway.
    deprecated : bool
        Whether it is an earlier name in this package.
    """

    advice: str
    same_as: str = ""
    accepted: tuple[Any, ...] = ()
    deprecated: bool = False


_FIT = "a corpus is passed to fit: ContextEncoder(...).fit(corpus)"
_CBOW = (
    "only CBOW is implemented, because the embedding of a context is the sum or mean of its "
    "words. Leave it out"
)
_NEGATIVE = "only negative sampling is implemented. Leave it out"
_PROGRESS = "leave it out; progress=True shows bars"
_COUNTS = "count with corpora.counting.count, and pass the counts to build_vocab_from_freq"
_W2 = "the weights of the last layer are W2"

NAMES: dict[str, Name] = {
    # parameters
    "sentences": Name(_FIT, "corpus", (None,)),
    "corpus_iterable": Name(_FIT, "corpus", (None,)),
    "corpus_file": Name(_FIT, "corpus", (None,)),
    "size": Name("it is vector_size", "vector_size"),
    "iter": Name("it is epochs", "epochs"),
    "sg": Name(_CBOW, accepted=(0,)),
    "hs": Name(_NEGATIVE, accepted=(0,)),
    "shrink_windows": Name("it is min_window: False is min_window=window, True min_window=1"),
    "compute_loss": Name("losses are in loss_history_", accepted=(_ANY,)),
    "total_examples": Name("train counts the corpus itself. Leave it out", accepted=(_ANY,)),
    "total_words": Name("train counts the corpus itself. Leave it out", accepted=(_ANY,)),
    "sorted_vocab": Name("words are always sorted by frequency. Leave it out", accepted=(1,)),
    "null_word": Name("there is no null word. Leave it out", accepted=(0,)),
    "trim_rule": Name(f"select words by their counts: {_COUNTS}", accepted=(None,)),
    "callbacks": Name("callbacks are passed to fit or train", accepted=((), None)),
    "comment": Name("leave it out; models have no comment", accepted=(None,)),
    "hashfxn": Name("initial weights do not depend on a hash, only on seed. Leave it out"),
    "batch_words": Name("leave it out; batch_size is the number of positions in a batch"),
    "word_count": Name("train counts the corpus itself. Leave it out", accepted=(0,)),
    "queue_factor": Name("there is no queue of jobs. Leave it out"),
    "report_delay": Name(_PROGRESS),
    "progress_per": Name(_PROGRESS),
    "keep_raw_vocab": Name(f"to keep the counts of all words, {_COUNTS}", accepted=(False,)),
    "mmap": Name("weights are always memory-mapped. Leave it out", accepted=("r", None)),
    "rethrow": Name("leave it out; errors are never hidden", accepted=(True,)),
    "separately": Name("weights have a file of their own. Leave it out", accepted=(None,)),
    "sep_limit": Name("weights have a file of their own. Leave it out"),
    "ignore": Name("everything that load needs is saved. Leave it out"),
    "pickle_protocol": Name("models are saved without pickle. Leave it out"),
    "negative": Name("use model.wv_context.most_similar, or model.wv.most_similar for W1"),
    "restrict_vocab": Name("use model.wv_context.most_similar, or model.wv.most_similar for W1"),
    "build_contexts": Name("it is learn_map", "learn_map", deprecated=True),
    # attributes and methods
    "syn0": Name("the weights of the first layer are W1, or wv.vectors"),
    "syn1": Name(_W2),
    "syn1neg": Name(_W2),
    "layer1_size": Name("it is vector_size"),
    "min_alpha_yet_reached": Name("pass start_alpha and end_alpha to train"),
    "running_training_loss": Name("losses are in loss_history_"),
    "get_latest_training_loss": Name(
        "loss_history_[-1] is the mean loss per position of the last epoch"
    ),
    "score": Name("it needs hierarchical softmax. predict_output_word scores words in a context"),
    "scan_vocab": Name(_COUNTS),
    "prepare_vocab": Name(f"build_vocab does it; to choose words, {_COUNTS}"),
    "raw_vocab": Name("the counts of all words are those of corpora.counting.count"),
    "effective_min_count": Name("it is vocabulary.counts.min()"),
    "prepare_weights": Name("build_vocab creates the weights"),
    "init_weights": Name("build_vocab creates the weights"),
    "update_weights": Name("build_vocab with update=True adds weights for new words"),
    "reset_from": Name(
        "pass the words and counts to build_vocab_from_freq: "
        "dict(zip(other.vocabulary.words, other.vocabulary.counts))"
    ),
    "init_sims": Name("norms are computed when they are needed. Leave the call out"),
    "estimate_memory": Name("training needs 8 * len(model) * vector_size bytes for the weights"),
    "cum_table": Name("the noise distribution is vocabulary.noise(config.ns_exponent)"),
    "make_cum_table": Name("the noise distribution is vocabulary.noise(config.ns_exponent)"),
    "create_binary_tree": Name(_NEGATIVE),
    "add_null_word": Name("there is no null word. Leave the call out"),
    "seeded_vector": Name("initial weights depend on config.seed"),
    "random": Name("random numbers depend on config.seed"),
    "train_count": Name("epochs of all runs are in loss_history_"),
    "total_train_time": Name("the logger conec.training.loop reports times"),
}
"""gensim's names of parameters, attributes and methods that do not exist here."""


def translated(owner: str, own: Collection[str], arguments: dict[str, Any]) -> dict[str, Any]:
    """Replace gensim's names of keyword arguments.

    Parameters
    ----------
    owner : str
        Name of the class or method that is called, for errors.
    own : collection of str
        Parameters that it has.
    arguments : dict

    Raises
    ------
    TypeError
        If a name is unknown, or its value has no counterpart; the message says what to use.
    """
    result: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in own:
            _set(owner, result, name, value, arguments)
        elif name == "shrink_windows" and "min_window" in own:
            if not check_flag(name, value):
                window = arguments.get("window", PARAMETERS["window"].default)
                _set(owner, result, "min_window", window, arguments, name)
        elif name not in NAMES:
            matches = closest(name, own, 1)
            hint = f"; did you mean {matches[0]}?" if matches else ""
            raise TypeError(f"{owner}() got an unexpected keyword argument {name!r}{hint}")
        elif any(same is _ANY or _equal(same, value) for same in NAMES[name].accepted):
            pass
        elif NAMES[name].same_as in own:
            new = NAMES[name].same_as
            if NAMES[name].deprecated:
                warn(f"the parameter {name} is deprecated, use {new}", DeprecationWarning)
            _set(owner, result, new, value, arguments, name)
        else:
            raise TypeError(f"{owner}() does not take gensim's {name}: {NAMES[name].advice}")
    return result


def _set(
    owner: str,
    result: dict[str, Any],
    name: str,
    value: Any,
    arguments: dict[str, Any],
    other: str = "",
) -> None:
    """Add an argument, unless it is passed twice: by its name and by gensim's, `other`."""
    if name in result or (other and name in arguments):
        raise TypeError(f"{owner}() got {name} twice, as {name} and by gensim's name; pass one")
    result[name] = value


def _equal(accepted: Any, value: Any) -> bool:
    return accepted is value or (isinstance(value, (int, tuple)) and accepted == value)


def takes_gensim_names(method: Function) -> Function:
    """Accept gensim's names of keyword arguments, see `translated`; a decorator of methods."""
    own = tuple(inspect.signature(method).parameters)

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not kwargs.keys() <= set(own):
            kwargs = translated(method.__name__, own, kwargs)
        return method(self, *args, **kwargs)

    return call  # type: ignore[return-value]


class GensimNames:
    """Attributes of ``Word2Vec``: those of the parameters, and errors for all others."""

    config: Config

    if not TYPE_CHECKING:  # type checkers report unknown attributes themselves

        def __getattr__(self, name: str) -> Any:
            if name in PARAMETERS and "config" in vars(self):
                return getattr(self.config, name)
            kind = type(self).__name__
            advice = f", as gensim has: {NAMES[name].advice}" if name in NAMES else ""
            raise AttributeError(f"{kind} has no attribute {name!r}{advice}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in PARAMETERS:
            raise AttributeError(
                f"the parameter {name} of a model cannot be changed. Pass it to the constructor; "
                "train takes epochs, start_alpha and end_alpha"
            )
        if name in NAMES:
            raise AttributeError(f"{name} cannot be set as in gensim: {NAMES[name].advice}")
        super().__setattr__(name, value)
