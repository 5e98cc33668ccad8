"""Questions about models, and models that are loaded again when they change on disk."""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from corpora.checks import ParameterError, closest, shown
from corpora.model_folder import INVALID_CONTENT

T = TypeVar("T")
Question = Callable[..., "Answer"]

_CACHED = 256  # answers that are kept
_LONGEST = 20_000  # characters of a text in a question


class UnknownName(ValueError):
    """A name that the model does not have.

    Parameters
    ----------
    message : str
    suggestions : sequence of str
        Names of the model that are similar.
    """

    def __init__(self, message: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.suggestions = list(suggestions)


@dataclass(frozen=True)
class Answer:
    """The answer to a question.

    Attributes
    ----------
    value : dict
        For JSON.
    code : str
        Python code that computes the same with the API; the value of its last line is the answer.
        Empty for questions that only serve the page.
    """

    value: dict[str, Any]
    code: str = ""


class WatchedModel(Generic[T]):
    """A model that is loaded again when its folder changes.

    Parameters
    ----------
    path : path
    load : callable
        Loads the model from the path. Its errors are raised here, but only reported if an earlier
        version of the model has been loaded, which stays in use.

    Attributes
    ----------
    path : Path
    model : object
    loads : int
        How often the model was loaded.
    problem : str or None
        Why the current content of the folder could not be loaded.
    """

    def __init__(self, path: str | os.PathLike[str], load: Callable[[Path], T]) -> None:
        self.path, self._load = Path(path), load
        self._seen = self._signature()
        self.model = load(self.path)
        self.loads, self.problem = 1, None  # type: int, str | None

    def refresh(self) -> bool:
        """Load the model if it has changed; return whether a new version is in use."""
        signature = self._signature()
        if signature == self._seen:
            return False
        self._seen = signature
        try:
            self.model = self._load(self.path)
        except (OSError, *INVALID_CONTENT) as error:
            self.refuse(error)
            return False
        self.loads, self.problem = self.loads + 1, None
        return True

    def refuse(self, error: Exception) -> None:
        """Report that the current content of the folder cannot be used."""
        self.problem = (
            f"{self.path} has changed and cannot be loaded. The page shows the model as it was "
            f"before. The error was: {error}"
        )

    def _signature(self) -> Any:
        """What a save changes: the names, sizes and times of the files."""
        try:
            with os.scandir(self.path) as entries:
                stats = [(entry.name, entry.stat()) for entry in entries]
        except OSError as error:
            return error.errno
        return sorted((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in stats)


class Explorer:
    """Answers the questions of a page about models.

    A derived class defines `kind` and methods that are called ``ask_NAME``: each answers the
    question NAME, with the parameters of the method. Questions are answered one at a time.

    Parameters
    ----------
    models : sequence of WatchedModel
    """

    kind: ClassVar[str]

    def __init__(self, models: Sequence[WatchedModel[Any]]) -> None:
        self.models = list(models)
        self._lock = threading.RLock()
        self._answers: OrderedDict[Any, Answer] = OrderedDict()
        self.loaded()

    def loaded(self) -> None:
        """Prepare for new versions of the models; called when they are loaded."""

    def warm_up(self) -> None:
        """Do what makes the first answers slow, such as compiling; called in a thread."""

    def ask_about(self) -> Answer:
        """What the page needs to know about the models before it asks questions."""
        raise NotImplementedError

    def ask_state(self) -> Answer:
        """Nothing: the page asks for the state that comes with all answers."""
        return Answer({})

    def questions(self) -> dict[str, Question]:
        """The questions by name."""
        names = [name for name in dir(self) if name.startswith("ask_")]
        return {name.removeprefix("ask_"): getattr(self, name) for name in names}

    def ask(self, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question.

        Parameters
        ----------
        name : str
        parameters : mapping
            Parameters of the question, from JSON.

        Returns
        -------
        dict
            "answer", "code", "state" (see `state`) and "milliseconds".

        Raises
        ------
        UnknownName
            If there is no such question, or a name in it is unknown.
        ValueError, RuntimeError, KeyError, TypeError, ImportError
            If a parameter is invalid, or the model cannot answer.
        """
        started = time.perf_counter()
        question = self.questions().get(name)
        if question is None:
            known = list(self.questions())
            raise UnknownName(f"there is no question {name!r}", closest(name, known))
        _check_parameters(name, question, parameters)
        key = name, repr(sorted(parameters.items()))
        with self._lock:
            self.refresh()
            answer = self._answers.get(key) or question(**parameters)
            if answer.code:  # others are quick, or will change
                self._answers[key] = answer
                self._answers.move_to_end(key)
                if len(self._answers) > _CACHED:
                    self._answers.popitem(last=False)
            state = self.state()
        elapsed = 1000 * (time.perf_counter() - started)
        return {
            "answer": answer.value,
            "code": answer.code,
            "state": state,
            "milliseconds": round(elapsed, 2),
        }

    def refresh(self) -> None:
        """Load the models that have changed on disk."""
        before = [(watched.model, watched.loads) for watched in self.models]
        changed = [watched for watched in self.models if watched.refresh()]
        if not changed:
            return
        try:
            self.loaded()
        except (OSError, *INVALID_CONTENT) as error:  # such as other features than those of --data
            for watched, (model, loads) in zip(self.models, before, strict=True):
                watched.model, watched.loads = model, loads
            for watched in changed:
                watched.refuse(error)
        else:
            self._answers.clear()

    def state(self) -> dict[str, Any]:
        """Version of the models in use, and problems with the current content of their folders."""
        problems = [watched.problem for watched in self.models if watched.problem]
        return {
            "version": sum(watched.loads for watched in self.models),
            "problem": " ".join(problems) or None,
        }


def _check_parameters(name: str, question: Question, parameters: Mapping[str, Any]) -> None:
    signature = inspect.signature(question)
    try:
        signature.bind(**parameters)
    except TypeError as error:
        raise ParameterError(
            f"the question {name!r} takes the parameters {', '.join(signature.parameters)}: {error}"
        ) from error
    hints = inspect.get_annotations(getattr(question, "__func__", question), eval_str=True)
    for key, value in parameters.items():
        kind = hints[key]
        fits = type(value) is kind or (kind is float and type(value) is int)
        if not fits:
            raise ParameterError(f"{key} must be of type {kind.__name__}, got {shown(value)}")
        if isinstance(value, str) and len(value) > _LONGEST:
            raise ParameterError(
                f"{key} must have at most {_LONGEST:,} characters, got {len(value):,}: shorten it"
            )
