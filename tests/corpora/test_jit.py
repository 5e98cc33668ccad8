from __future__ import annotations

import importlib
import io
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from corpora import jit as module
from corpora.jit import announce_compilation, compiled


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "_loaded", set())


def test_slow_compilation_is_shown_on_a_terminal_and_logged(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with caplog.at_level(logging.INFO), announce_compilation("something"):
        time.sleep(0.4)
    assert "compiling something for this processor, once: 00:00" in sys.stderr.getvalue()
    assert "compiling something" in caplog.text


def test_without_a_terminal_it_is_only_logged(capsys, caplog):
    with caplog.at_level(logging.INFO), announce_compilation("something"):
        time.sleep(0.2)
    assert capsys.readouterr().err == ""
    assert "compiling something" in caplog.text


def test_fast_or_repeated_blocks_are_silent(monkeypatch, caplog):
    with caplog.at_level(logging.INFO):
        with announce_compilation("something"):
            pass
        with announce_compilation("something"):
            time.sleep(0.2)
    assert caplog.text == ""


def test_errors_propagate_and_do_not_count_as_loaded(caplog):
    with pytest.raises(ValueError, match="no"), announce_compilation("something"):
        raise ValueError("no")
    with caplog.at_level(logging.INFO), announce_compilation("something"):
        time.sleep(0.2)
    assert "compiling something" in caplog.text


# The cache of compiled code


def double(x):
    return 2 * x


@pytest.fixture
def no_locator(monkeypatch, tmp_path):
    """As in a read-only installation without a home: only the temporary folder can be written."""
    from numba.core import caching

    ensure = caching._CacheLocator.ensure_cache_path

    def only_temporary(self):
        if not self.get_cache_path().startswith(str(tmp_path)):
            raise PermissionError
        ensure(self)

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", only_temporary)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"corpora-numba-{os.getuid()}"


def test_without_a_writable_home_the_cache_is_temporary(no_locator):
    import numba

    before = numba.config.CACHE_DIR
    function = compiled(nogil=True)(double)
    assert function(3) == 6
    assert before == numba.config.CACHE_DIR
    assert no_locator.stat().st_mode & 0o777 == 0o700
    assert list(no_locator.glob("*/test_jit.double-*.nbc"))
    again = compiled(nogil=True)(double)
    assert again(4) == 8
    assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("how", ["not private", "a file", "a link", "no temporary folder"])
def test_without_any_folder_there_is_no_cache(no_locator, how, tmp_path, monkeypatch):
    if how == "not private":
        no_locator.mkdir()
        no_locator.chmod(0o777)
    elif how == "a file":
        no_locator.touch()
    elif how == "a link":
        (tmp_path / "other").mkdir(0o700)
        no_locator.symlink_to("other")
    else:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    function = compiled(nogil=True)(double)
    assert function(3) == 6
    assert not list(tmp_path.rglob("*.nbc"))


def test_a_damaged_cache_and_a_full_disk_are_not_errors(no_locator, monkeypatch):
    assert compiled()(double)(3) == 6
    for suffix in ("nbi", "nbc"):
        [path] = no_locator.glob(f"*/*.{suffix}")
        path.write_bytes(b"")
        assert compiled()(double)(3) == 6
        assert path.stat().st_size  # written again
    [path] = no_locator.glob("*/*.nbi")
    path.unlink()
    from numba.core import caching

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_index", full)
    assert compiled()(double)(3) == 6


def test_changes_in_imported_files_are_noticed(tmp_path, monkeypatch):
    """Numba compares only the file of the function itself."""
    package = tmp_path / "kernels_of_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "outer.py").write_text(
        "from corpora.jit import compiled\n"
        "from kernels_of_test.middle import value\n\n\n"
        "@compiled()\ndef outer():\n    return value() + 1\n"
    )
    (package / "middle.py").write_text("from kernels_of_test.inner import value\n")
    monkeypatch.syspath_prepend(tmp_path)

    def outer(number):
        (package / "inner.py").write_text(
            f"import numba\n\n\n@numba.njit\ndef value():\n    return {number}\n"
        )
        module._imported_code.cache_clear()
        for name in [name for name in sys.modules if name.startswith(package.name)]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return importlib.import_module("kernels_of_test.outer").outer

    for number in (1, 22, 333):
        assert outer(number)() == number + 1
    again = outer(333)
    assert again() == 334
    assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.slow
def test_loading_compiled_code_does_not_load_the_compiler():
    """It takes as much memory as the model of a small corpus, and half a second."""
    code = (
        "import sys, conec; documents = ['a b c d e f g'.split()] * 20; "
        "conec.ContextEncoder(vector_size=4, min_count=1, epochs=1, sample=0).fit(documents); "
        "print({'numba.np.arraymath', 'scipy.linalg', 'tqdm'} & set(sys.modules))"
    )
    for _ in range(2):  # the first process may have to compile what is not cached
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        if done.stdout == "set()\n":
            return
    pytest.fail(f"imported: {done.stdout}")


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs mount namespaces")
def test_a_read_only_installation(tmp_path):
    root = Path(__file__).parents[2]
    # all compiled functions look for a cache when they are imported; compiling one takes 0.2 s
    code = (
        "import numpy as np, conec.kernels, conec.contexts.kernels, conec.contexts.token_kernels, "
        "conec.training.kernels.features, conec.training.kernels.changes, corpora.counting.kernels;"
        "result = np.ones(2, np.uint32); conec.kernels.widen(np.zeros(2, np.uint16), result); "
        "print(result)"
    )
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && '
    shell = ["unshare", "-m", "sh", "-c"]
    if subprocess.run([*shell, mount + "true", root], check=False, capture_output=True).returncode:
        pytest.skip("not allowed to mount")
    environment = {
        "HOME": "/dev/null/home", "TMPDIR": str(tmp_path), "PYTHONPATH": str(root),
        "PATH": os.environ["PATH"],
    }  # fmt: skip
    done = subprocess.run(
        [*shell, mount + 'exec "$@"', root, sys.executable, "-c", code],
        env=environment, cwd="/", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "[0 0]\n"
    assert done.stderr == ""
    assert list(tmp_path.rglob("kernels.widen-*.nbc"))
