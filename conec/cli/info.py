"""``conec info``: summarize a model or tagger, and verify its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from conec.cli.options import load_model, load_tagger
from corpora.cli.app import fail
from corpora.cli.options import Json


def info(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="Folder written by conec train or conec tag train."),
    ],
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Verify the checksums of all files, also of a model that a tagger refers to. "
            "MODEL may also be a model of simec, or a text encoded by corpora encode.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Summarize a model or tagger: vocabulary, training, parameters and model card.

    \b
      conec info news.model
      conec info news.model --verify
    """  # noqa: D301
    from conec.pretrained import read_card
    from corpora.model_folder import read_kind

    summary: dict[str, Any] = {}
    card = read_card(model)
    if card is not None:
        summary["card"] = card
    if verify:
        summary["verified"] = _verified(model)
    kind = read_kind(model)
    if verify and kind not in (None, "conec.ContextEncoder", "conec.ner.Tagger"):
        rows = {"kind": kind, "size": _size_text(model)}
        summary |= {"kind": kind, "bytes": _size(model)}
    elif kind == "conec.ner.Tagger":
        rows, more = _tagger_summary(model)
        summary |= more
    else:
        rows, more = _model_summary(model)
        summary |= more
    if as_json:
        typer.echo(json.dumps(summary, indent=1, ensure_ascii=False))
        return
    if "verified" in summary:
        rows["verified"] = (
            summary["verified"] or "no: folders of earlier versions have no checksums"
        )
    for name, value in rows.items():
        typer.echo(f"{name:10} {value}")
    if "parameters" in summary:
        typer.echo("parameters")
        for name, value in summary["parameters"].items():
            typer.echo(f"  {name:14} {value}")
    if card is not None:
        typer.echo(f"\n{card.rstrip()}")


def _verified(folder: Path) -> str | None:
    """Verify the checksums of all files, and exit with an error if one is damaged.

    Returns a summary of the verified files, or None if the folder has no checksums.
    """
    from corpora.model_folder import verify_folder

    files = verify_folder(folder)
    model = _referred_model(folder) if not any(file.problem for file in files) else None
    if model is not None:
        files += [file._replace(name=f"{model}/{file.name}") for file in verify_folder(model)]
    damaged = [f"{file.name}: {file.problem}" for file in files if file.problem]
    if damaged:
        fail(f"{folder} is damaged: {'; '.join(damaged)}")
    if any(file.sha256 is None for file in files):
        return None
    return f"{len(files)} files, {sum(file.size for file in files):,} bytes"


def _referred_model(folder: Path) -> Path | None:
    """The model that a tagger refers to, if it exists; otherwise loading it raises the error."""
    from corpora.model_folder import open_folder, read_kind

    if read_kind(folder) != "conec.ner.Tagger":
        return None
    from conec.ner.tagger import FORMAT_VERSION, KIND

    with open_folder(folder, KIND, FORMAT_VERSION, what="tagger") as files:
        data = files.read_json("tagger.json")
    features = data.get("features") if isinstance(data, dict) else None
    path = features.get("model") if isinstance(features, dict) else None
    return Path(path) if isinstance(path, str) and Path(path).is_dir() else None


def _model_summary(folder: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Rows to print, and data for JSON."""
    from conec import ExtendedContextEncoder

    encoder = load_model(folder)
    training = encoder.training_state
    summary: dict[str, Any] = {
        "words": len(encoder),
        "vector_size": encoder.config.vector_size,
        "corpus_words": int(encoder.vocabulary.counts.sum()),
        "most_frequent": encoder.vocabulary.words[:8],
        "features": len(encoder.features) if isinstance(encoder, ExtendedContextEncoder) else 0,
        "contexts": encoder.stored("context_embeddings") is not None,
        "dtype": encoder.dtype_name,
        "index": encoder.neighbor_index is not None,
        "epochs_trained": len(encoder.loss_history_),
        "loss_history": encoder.loss_history_,
        "interrupted": None
        if training is None
        else {"epochs_done": training.epoch, "epochs": training.epochs},
        "bytes": _size(folder),
        "parameters": encoder.config.to_dict(),
    }
    losses = " ".join(f"{loss:.4f}" for loss in shorten(encoder.loss_history_))
    rows = {
        "words": f"{summary['words']:,}, vectors of {summary['vector_size']} dimensions",
        "corpus": f"{summary['corpus_words']:,} occurrences of these words",
        "frequent": " ".join(summary["most_frequent"]),
        "contexts": "yes" if summary["contexts"] else "no: only --space word2vec is available",
        "epochs": str(summary["epochs_trained"]) + (f", loss {losses}" if losses else ""),
        "size": _size_text(folder),
    }
    if encoder.is_quantized:
        rows["weights"] = encoder.dtype_name
    if (index := encoder.neighbor_index) is not None:
        rows["index"] = f"of neighbors, {index.nbytes / 1e6:,.1f} MB"
    if isinstance(encoder, ExtendedContextEncoder):
        names = ", ".join(type(feature).__name__ for feature in encoder.features)
        rows["features"] = f"{len(encoder.F1):,} values of {names}"
    if training is not None:
        rows["training"] = (
            f"interrupted after {training.epoch} of {training.epochs} epochs; to continue, use "
            "conec train --resume"
        )
    return rows, summary


def _tagger_summary(folder: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Rows to print, and data for JSON."""
    tagger = load_tagger(folder)
    features = tagger.features_
    summary: dict[str, Any] = {
        "kind": "conec.ner.Tagger",
        "training_words": len(tagger.words_),
        "columns": tagger.n_columns_,
        "column_names": list(tagger.columns_),
        "types": tagger.types_,
        "context_features": None if features is None else features.to_dict(copy_model=True),
        "model_words": None if features is None else len(features.model_),
        "bytes": _size(folder),
        "parameters": {k: v for k, v in tagger.get_params(deep=False).items() if k != "features"},
    }
    rows = {
        "tagger": f"trained on text with {len(tagger.words_):,} different words",
        "columns": ", ".join(tagger.columns_),
        "types": ", ".join(tagger.types_),
        "contexts": "no: no Context Encoder"
        if features is None
        else f"clusters {', '.join(features.group_names)} of a model with "
        f"{len(features.model_):,} words",
        "size": _size_text(folder),
    }
    return rows, summary


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _size_text(folder: Path) -> str:
    size = _size(folder)
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"


def shorten(losses: list[float], most: int = 6) -> list[float]:
    """Select at most `most` losses, evenly from the first to the last."""
    if len(losses) <= most:
        return losses
    steps = range(most - 1)
    return [losses[len(losses) * step // (most - 1)] for step in steps] + losses[-1:]
