"""Models on the Hugging Face Hub, or another server with its interface.

Requires the extra ``[hub]`` (huggingface_hub).
"""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path
from typing import Any, TypeVar

from corpora.files import StrPath

__all__ = ["HubModel", "download"]

Self = TypeVar("Self", bound="HubModel")


class HubModel:
    """`push_to_hub` and `from_pretrained` for a class with ``save(path)`` and ``load(path)``."""

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        revision: str | None = None,
        message: str = "Upload model",
    ) -> str:
        """Save the model to a repository of the Hugging Face Hub.

        Parameters
        ----------
        repo_id : str
            Name of the repository, such as "user/news"; it is created if it does not exist. A
            model card is added if the repository has none.
        private : bool, optional
            Whether a new repository is private; by default as the organization's settings say.
        token : str, optional
            Access token; by default that of ``hf auth login``.
        revision : str, optional
            Branch; by default the main branch.
        message : str
            Message of the commit.

        Returns
        -------
        str
            URL of the commit.

        Raises
        ------
        ImportError
            If huggingface_hub is not installed.
        OSError
            If the repository cannot be written. Its class is one of `huggingface_hub.errors`.
        """
        hub = _import("push_to_hub")
        api = hub.HfApi(token=token)
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "model"
            self.save(folder)  # type: ignore[attr-defined]
            api.create_repo(repo_id, private=private, exist_ok=True)
            if not api.file_exists(repo_id, "README.md", revision=revision):
                (folder / "README.md").write_text(self._card(repo_id), "utf-8")
            commit = api.upload_folder(
                repo_id=repo_id, folder_path=folder, revision=revision, commit_message=message
            )
        return str(commit.commit_url)

    @classmethod
    def from_pretrained(
        cls: type[Self],
        path: StrPath,
        *,
        revision: str | None = None,
        token: str | None = None,
        **parameters: Any,
    ) -> Self:
        """Load a model from a folder, or from a repository of the Hugging Face Hub.

        Parameters
        ----------
        path : str or path
            A folder, or else the name of a repository, such as "user/news".
        revision : str, optional
            Branch, tag or commit of the repository.
        token : str, optional
            Access token; by default that of ``hf auth login``.
        **parameters
            As for `load`.

        Raises
        ------
        ImportError
            If the folder does not exist and huggingface_hub is not installed.
        OSError, ModelError
            If the repository or the model cannot be read.
        """
        folder = download(path, revision=revision, token=token)
        model: Self = cls.load(folder, **parameters)  # type: ignore[attr-defined]
        return model

    def _card(self, repo_id: str) -> str:
        name, module = type(self).__name__, type(self).__module__
        return f"""---
library_name: similarity-encoders
tags:
- similarity-encoders
---
# {repo_id}

A {name} of the Python package similarity-encoders.

```python
from {module} import {name}

model = {name}.from_pretrained("{repo_id}")
```
"""


def download(path: StrPath, *, revision: str | None = None, token: str | None = None) -> Path:
    """Return a folder, or download a repository of the Hugging Face Hub to the cache.

    Parameters
    ----------
    path : str or path
        A folder, or else the name of a repository, such as "user/news".
    revision, token : str, optional
        As for `HubModel.from_pretrained`.

    Returns
    -------
    Path
        A folder that the functions called ``load`` read.

    Raises
    ------
    FileNotFoundError
        If it is neither a folder nor a name with one slash.
    ImportError, OSError
        As for `HubModel.from_pretrained`.
    """
    if Path(path).exists():
        return Path(path)
    if str(path).count("/") != 1:
        raise FileNotFoundError(
            errno.ENOENT,
            "neither a folder nor the name of a repository like 'user/news'",
            str(path),
        )
    hub = _import("from_pretrained")
    return Path(hub.snapshot_download(str(path), revision=revision, token=token))


def _import(what: str) -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            f"{what} needs huggingface_hub: pip install similarity-encoders[hub]"
        ) from error
    return huggingface_hub
