"""Names of words, users or entities: completion while typing, and the closest matches."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.checks import closest
from corpora.explorer.explorer import UnknownName

_LAST = chr(0x10FFFF)
_COMPARED = 50_000  # most important names that an unknown one is compared with


class Names:
    """Names in order of importance, such as words by frequency.

    Parameters
    ----------
    ids : iterable
        Strings, or integers, which are completed by their digits.
    what : str
        What is named, such as "word", for messages.
    titles : mapping of str to str, optional
        Titles by ids, which are shown in place of them. Titles that occur twice are followed by
        the id.
    """

    def __init__(
        self, ids: Iterable[Any], what: str, titles: Mapping[str, str] | None = None
    ) -> None:
        self.ids: Sequence[Any] = ids if isinstance(ids, list) else list(ids)
        self.what, self._titles = what, titles or {}

    @cached_property
    def texts(self) -> list[str]:
        """The names as strings."""
        ids = [str(name) for name in self.ids]
        if not self._titles:
            return ids
        titles = [self._titles.get(name, name) for name in ids]
        counts = Counter(titles)
        both = [f"{title} ({name})" for name, title in zip(ids, titles, strict=True)]
        texts = [
            title if counts[title] == 1 or title == name else longer
            for name, title, longer in zip(ids, titles, both, strict=True)
        ]
        return texts if len(set(texts)) == len(texts) else both

    @cached_property
    def _index(self) -> dict[str, int]:
        """Positions by what is shown, and by ids that are not shown for another one."""
        return self._by_id | {text: i for i, text in enumerate(self.texts)}

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {str(name): i for i, name in enumerate(self.ids)}

    def text(self, name: Any) -> str:
        """How an id is shown."""
        return self.texts[self._by_id[str(name)]] if self._titles else str(name)

    @cached_property
    def _sorted(self) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Names without case in alphabetical order, and their positions."""
        folded = [text.casefold() for text in self.texts]
        order = sorted(range(len(folded)), key=folded.__getitem__)
        return [folded[i] for i in order], np.array(order, np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def complete(self, beginning: str, n: int) -> list[str]:
        """The first n names that begin so, ignoring case; the exact name comes first."""
        folded, order = self._sorted
        key = beginning.casefold()
        found = order[bisect_left(folded, key) : bisect_left(folded, key + _LAST)]
        if len(found) > n:
            found = np.partition(found, n - 1)[:n]
        matches = [self.texts[i] for i in np.sort(found)]
        if beginning in self._index and beginning:
            matches = [beginning, *(text for text in matches if text != beginning)][:n]
        return matches

    def find(self, text: str) -> Any:
        """The id that a text names.

        Raises
        ------
        UnknownName
            If no id is named so; the error has the closest names.
        """
        return self.ids[self.position(text)]

    def position(self, text: str) -> int:
        """The position of a name; errors as in `find`."""
        if text in self._index:
            return self._index[text]
        message = f"the model does not know the {self.what} {text!r}"
        if not text:
            message = f"a {self.what} is missing: type one"
        raise UnknownName(message, closest(text, self.texts[:_COMPARED], 5))
