"""Old public names still work, with a DeprecationWarning."""

from __future__ import annotations

import importlib
import sys

import pytest


def old_module(name: str):
    """Import a module by its old name."""
    sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match=f"the module {name} is deprecated"):
        return importlib.import_module(name)


@pytest.mark.parametrize(
    ("old", "new", "member"),
    [
        ("corpora.compiling", "corpora.jit", "announce_compilation"),
        ("corpora.tokens", "corpora.encoding", "TokenStream"),
        ("corpora.wordtable", "corpora.counting.word_table", "WordTable"),
    ],
)
def test_modules_that_moved(old, new, member):
    assert getattr(old_module(old), member) is getattr(importlib.import_module(new), member)


def test_train_called_learn_map_build_contexts():
    import conec

    model = conec.ContextEncoder(vector_size=2, min_count=1).build_vocab([["a", "b"]])
    with pytest.warns(DeprecationWarning, match="build_contexts is deprecated, use learn_map"):
        model.train([["a", "b"]], epochs=1, build_contexts=False)
    assert model.context_embeddings is None
