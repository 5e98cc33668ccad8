"""Models in repositories, with a local folder in place of the Hugging Face Hub."""

from __future__ import annotations

import inspect
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import conec
from conec import ContextEncoder

huggingface_hub = pytest.importorskip("huggingface_hub")

TEXTS = [["fire", "near", "sydney"], ["cricket", "in", "sydney"]] * 5


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder with a folder for each repository; downloads are links, as the real ones."""
    root, calls = tmp_path / "server", []

    class Api:
        def __init__(self, token=None):
            self.token = token

        def create_repo(self, repo_id, *, private, exist_ok):
            calls.append((repo_id, private, self.token))
            (root / repo_id).mkdir(parents=True, exist_ok=exist_ok)

        def file_exists(self, repo_id, name, *, revision):
            return (root / repo_id / name).exists()

        def upload_folder(self, *, repo_id, folder_path, revision, commit_message):
            shutil.copytree(folder_path, root / repo_id, dirs_exist_ok=True)
            return SimpleNamespace(commit_url=f"https://hub.invalid/{repo_id}/commit/1")

    def snapshot_download(repo_id, *, revision, token):
        calls.append((repo_id, revision, token))
        snapshot = tmp_path / "cache" / repo_id
        for file in (root / repo_id).rglob("*"):
            if file.is_file():
                link = snapshot / file.relative_to(root / repo_id)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file)
        (snapshot / ".gitattributes").write_text("* text")
        return str(snapshot)

    # the names and arguments must be those of the real package
    for name, arguments in (
        ("create_repo", {"repo_id", "private", "exist_ok"}),
        ("file_exists", {"repo_id", "filename", "revision"}),
        ("upload_folder", {"repo_id", "folder_path", "revision", "commit_message"}),
        ("snapshot_download", {"repo_id", "revision", "token"}),
    ):
        assert arguments <= set(inspect.signature(getattr(huggingface_hub, name)).parameters)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return root, calls


def test_a_context_encoder(server):
    root, calls = server
    model = ContextEncoder(vector_size=4, min_count=1, epochs=1, sample=0, seed=1).fit(TEXTS)
    url = model.push_to_hub("ann/news", private=True, token="secret")
    assert url == "https://hub.invalid/ann/news/commit/1"
    assert calls == [("ann/news", True, "secret")]
    card = (root / "ann/news/README.md").read_text()
    assert 'ContextEncoder.from_pretrained("ann/news")' in card
    loaded = ContextEncoder.from_pretrained("ann/news", revision="main", verify=True)
    assert calls[1:] == [("ann/news", "main", None)]
    np.testing.assert_array_equal(loaded.W1, model.W1)
    # an edited model card stays
    (root / "ann/news/README.md").write_text("edited")
    model.push_to_hub("ann/news")
    assert (root / "ann/news/README.md").read_text() == "edited"


def test_the_example_of_the_documentation(server):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "integrations.md").read_text("utf-8")
    [block] = re.findall(r"^## The Hugging Face Hub\n.*?```python\n(.*?)```", page, re.M | re.S)
    model = ContextEncoder(vector_size=4, min_count=1, epochs=1, sample=0, seed=1).fit(TEXTS)
    names = {"conec": conec, "model": model}
    exec(compile(block, "integrations.md", "exec"), names)
    assert names["model"] is not model
    np.testing.assert_array_equal(names["model"].W1, model.W1)


def test_a_similarity_encoder(server):
    pytest.importorskip("torch")
    from simec import SimilarityEncoder

    X = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    encoder = SimilarityEncoder(2, solver="exact").fit(X, X @ X.T)
    encoder.push_to_hub("ann/points")
    loaded = SimilarityEncoder.from_pretrained("ann/points", device="cpu")
    np.testing.assert_array_equal(loaded.transform(X), encoder.transform(X))
    assert (
        "from simec.encoder import SimilarityEncoder"
        in (server[0] / "ann/points/README.md").read_text()
    )


def test_folders_are_loaded_without_the_hub(tmp_path, monkeypatch):
    model = ContextEncoder(vector_size=4, min_count=1, epochs=1, sample=0, seed=1).fit(TEXTS)
    model.save(tmp_path / "model")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    loaded = ContextEncoder.from_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(loaded.W1, model.W1)
    assert isinstance(conec.load(tmp_path / "model"), ContextEncoder)
    with pytest.raises(FileNotFoundError, match="the name of a repository"):
        ContextEncoder.from_pretrained(Path("missing.model"))
    with pytest.raises(ImportError, match=r"similarity-encoders\[hub\]"):
        ContextEncoder.from_pretrained("ann/news")
    with pytest.raises(ImportError, match=r"push_to_hub needs huggingface_hub"):
        model.push_to_hub("ann/news")
