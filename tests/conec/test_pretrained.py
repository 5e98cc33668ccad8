"""Trained models by name, from an archive on a local server, and their cards."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import conec
from conec.cli import app
from conec.pretrained import CARD, Archive, load_pretrained, read_card

TEXTS = [["fire", "near", "sydney"], ["cricket", "in", "sydney"]] * 5


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive of a small model with a card, on a server of this machine."""
    model = conec.ContextEncoder(vector_size=4, min_count=1, epochs=1, sample=0, seed=1).fit(TEXTS)
    model.save(tmp_path / "model")
    (tmp_path / "model" / CARD).write_text("# small\n\nA test.\n", "utf-8")
    path = Path(shutil.make_archive(str(tmp_path / "small"), "zip", tmp_path / "model"))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    yield Archive(f"http://127.0.0.1:{server.server_port}/small.zip", checksum)
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_model_is_downloaded_once(archive: Archive, tmp_path: Path) -> None:
    model = load_pretrained("small", models={"small": archive}, cache=tmp_path / "cache")
    np.testing.assert_array_equal(model.W1, conec.load(tmp_path / "model").W1)
    (tmp_path / "small.zip").unlink()  # of the server
    load_pretrained("small", models={"small": archive}, cache=tmp_path / "cache")


def test_a_wrong_checksum_is_refused(archive: Archive, tmp_path: Path) -> None:
    changed = archive._replace(sha256="0" * 64)
    with pytest.raises(ValueError, match="does not match the known hash"):
        load_pretrained("small", models={"small": changed}, cache=tmp_path / "cache")


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"no models are published.*`make pretrained`"):
        load_pretrained("small")
    with pytest.raises(ValueError, match="name must be one of 'small', got 'large'"):
        load_pretrained("large", models={"small": Archive("", "")})


def test_info_shows_the_card(archive: Archive, tmp_path: Path) -> None:
    folder = str(tmp_path / "model")
    assert read_card(folder) == "# small\n\nA test.\n"
    assert CliRunner().invoke(app, ["info", folder]).stdout.endswith("# small\n\nA test.\n")
    shown = CliRunner().invoke(app, ["info", folder, "--json"]).stdout
    assert json.loads(shown)["card"] == "# small\n\nA test.\n"
