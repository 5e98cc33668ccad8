"""Recognize the columns of a table by their usual names."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "RATINGS",
    "TRIPLES",
    "Layout",
    "choose_columns",
    "described_by",
    "is_numbered",
    "recognized",
]


def _usual(words: str, *endings: str) -> tuple[str, ...]:
    """Names of columns: each word with each ending, then the word alone."""
    return tuple(word + ending for word in words.split() for ending in (*endings, ""))


_IDS = "id", "no", "number", "idx", "index", "code", "name"
_USER = _usual(
    "user users uid reviewer customer member visitor account person client rater reader viewer "
    "listener player author",
    *_IDS,
)
_ITEM = _usual(
    "item items iid movie film product book song track artist album business article news game "
    "anime recipe restaurant place venue video course joke content doc asin parentasin isbn sku",
    *_IDS,
)
_RATING = _usual(
    "rating ratings score stars star value overall rate bookrating userrating starrating "
    "preference weight count counts plays playcount listens listeningcount clicks views purchases "
    "quantity frequency freq"
)
_TIME = _usual(
    "timestamp time datetime date ts unixtime unixreviewtime reviewtime ratingtimestamp created "
    "createdat updated updatedat"
)
_HEAD = _usual(
    "head heads headentity subject subj sub source sourceentity sourcenode src from entity1 "
    "entitya ent1 e1 node1 nodea n1 start startnode lhs xid xname xindex h s",
    "id", "name", "label", "index",
)  # fmt: skip
_RELATION = _usual(
    "relation relations relationtype relationship rel predicate pred property prop edge edgetype "
    "metaedge interaction type label link r p",
    "id", "name", "label",
)  # fmt: skip
_TAIL = _usual(
    "tail tails tailentity object obj target targetentity targetnode dst dest destination to "
    "entity2 entityb ent2 e2 node2 nodeb n2 end endnode rhs yid yname yindex t o",
    "id", "name", "label", "index",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """The columns that a table must or may have.

    Attributes
    ----------
    what : str
        Kind of its rows, such as "ratings", for messages.
    names : mapping of str to sequence of str
        Names of the columns that are read, in their usual order, and the usual names of each; the
        first name wins if a table has several.
    n_required : int
        Number of these columns, from the first, that a table must have.
    optional : mapping of str to sequence of str
        Usual names of further columns, which are read if they are found.
    advice : str
        How to name a column that was not recognized, for messages.
    """

    what: str
    names: Mapping[str, Sequence[str]]
    n_required: int
    optional: Mapping[str, Sequence[str]] = field(default_factory=dict)
    advice: str = "rename one, or choose columns with columns="

    @property
    def required(self) -> list[str]:
        """Names of the columns that a table must have."""
        return list(self.names)[: self.n_required]


RATINGS = Layout(
    "ratings", {"user": _USER, "item": _ITEM, "rating": _RATING}, 2, {"timestamp": _TIME}
)
TRIPLES = Layout("triples", {"head": _HEAD, "relation": _RELATION, "tail": _TAIL}, 3)


def described_by(kind: str) -> Layout:
    """Layout of a table of features of users or items: its one required column has the ids.

    Names such as "book" are left out, because such a column may be a feature. A column of ids may
    have no name, as in files that pandas writes with an index.
    """
    names = {"user": _USER, "item": _ITEM}.get(kind, _usual(kind, *_IDS))
    endings = tuple(ending for ending in _IDS if ending != "name")
    single = (kind, f"{kind}s", "uid", "iid", "asin", "isbn", "sku", "id")
    ids = [name for name in names if name.endswith(endings) or name in single]
    return Layout(
        f"{kind} features", {kind: (*ids, *single, "", "unnamed")}, 1,
        advice="rename the one with the ids",
    )  # fmt: skip


def recognized(layout: Layout, names: Sequence[Hashable]) -> dict[str, int]:
    """Positions of the columns that are recognized by their names.

    Case and punctuation are ignored: ``userId``, ``user_id`` and ``User ID`` are the same.
    """
    # RecBole writes user_id:token, and neo4j :START_ID
    plain = [name.strip(":").split(":")[0] if isinstance(name, str) else "?" for name in names]
    keys = [re.sub(r"[\W_]+", "", name).lower() or name for name in plain]
    found = {}
    for column, synonyms in layout.names.items():
        ranked = [(synonyms.index(key), k) for k, key in enumerate(keys) if key in synonyms]
        if ranked:
            found[column] = min(ranked)[1]
    return found


def is_word_for_relation(name: str) -> bool:
    """Whether a text names a column of relations, and is unlikely to be a relation itself."""
    key = re.sub(r"[\W_]+", "", name).lower()
    return key.startswith(("relation", "predicate")) and key in TRIPLES.names["relation"]


def choose_columns(
    layout: Layout,
    names: Sequence[Hashable],
    columns: Sequence[Any] | None = None,
    *,
    error: Callable[[str], Exception] = ValueError,
) -> dict[str, int]:
    """Choose columns by name; by position only in a table without names.

    Parameters
    ----------
    layout : Layout
    names : sequence
        Names of all columns of the table. If they only number the columns (0, 1, 2, ...), the table
        has no names, and its first columns are those of the layout.
    columns : sequence of str or int, optional
        The columns to choose, by name or position, in the order of the layout.
    error : callable
        Exception to raise; called with the message.

    Returns
    -------
    dict of str to int
        Positions of the columns that the table has, in the order of the layout.

    Raises
    ------
    Exception
        As given by `error`: if no column has a usual name for a required one, or for another one
        while there are columns with unknown names; or if two columns have the same name.
    """
    wanted = list(layout.names)
    if columns is not None:
        return _given(layout, names, columns, error)
    if is_numbered(names):
        if len(names) < layout.n_required:
            raise error(
                f"a table of {layout.what} must have columns for {_and(layout.required)}, got "
                f"{len(names)} column{'s' * (len(names) != 1)} without names"
            )
        return dict(zip([*wanted, *layout.optional], range(len(names)), strict=False))
    found = recognized(layout, names)
    for column, k in found.items():
        again = [i for i, name in enumerate(names) if name == names[k] and i != k]
        if again:
            raise error(
                f"columns {k + 1} and {again[0] + 1} are both called {names[k]!r}: choose the "
                f"{column} with columns="
            )
    others = recognized(Layout("", layout.optional, 0), names)
    has_unknown = len(found) + len(others) < len(names)
    for k, column in enumerate(wanted):
        # a misspelled rating must not count as a table without ratings
        if column not in found and (k < layout.n_required or has_unknown):
            raise error(
                f"no column of {layout.what} is called {column!r} or similar; the columns are "
                f"{_listed(names)}: {layout.advice}"
            )
    return {column: found[column] for column in wanted if column in found} | others


def is_numbered(names: Sequence[Hashable]) -> bool:
    """Whether names of columns are only their positions, as those of ``pandas.DataFrame(rows)``."""
    return list(names) == list(range(len(names)))


def _given(
    layout: Layout,
    names: Sequence[Hashable],
    columns: Sequence[Any],
    error: Callable[[str], Exception],
) -> dict[str, int]:
    wanted = [*layout.names, *layout.optional]
    if isinstance(columns, str) or not layout.n_required <= len(columns) <= len(wanted):
        raise error(
            f"columns must name the columns of {_and(wanted)}, in this order, got {columns!r}"
        )
    positions = {}
    listed = list(names)
    for column, name in zip(wanted, columns, strict=False):
        if name in listed:
            if listed.count(name) > 1:
                raise error(f"several columns are called {name!r}: pass a position instead")
            positions[column] = listed.index(name)
        elif isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(listed):
            positions[column] = name
        else:
            raise error(f"there is no column {name!r}, only {_listed(names)}")
    if len(set(positions.values())) < len(positions):
        raise error(f"columns must be different ones, got {tuple(columns)!r}")
    return positions


def _listed(names: Sequence[Hashable]) -> str:
    shown = ", ".join(map(repr, names[:12]))
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown or "no columns"


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
