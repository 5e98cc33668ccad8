"""``conec info``: what a model is."""

from __future__ import annotations

import json
from typing import Any

import typer

from conec.cli.options import Model, load_model
from corpora.cli.options import Json


def info(model: Model, as_json: Json = False) -> None:
    """Show what a model is: its words, how it was trained, and whether that was finished."""
    from conec import ExtendedContextEncoder

    encoder = load_model(model)
    training = encoder.training_state
    about: dict[str, Any] = {
        "words": len(encoder),
        "vector_size": encoder.config.vector_size,
        "corpus_words": int(encoder.vocabulary.counts.sum()),
        "most_frequent": encoder.vocabulary.words[:8],
        "features": len(encoder.features) if isinstance(encoder, ExtendedContextEncoder) else 0,
        "contexts": encoder.context_embeddings is not None,
        "epochs_trained": len(encoder.loss_history_),
        "loss_history": encoder.loss_history_,
        "interrupted": None
        if training is None
        else {"epochs_done": training.epoch, "epochs": training.epochs},
        "bytes": sum(file.stat().st_size for file in model.iterdir()),
        "parameters": encoder.config.to_dict(),
    }
    if as_json:
        typer.echo(json.dumps(about, indent=1, ensure_ascii=False))
        return
    losses = " ".join(f"{loss:.4f}" for loss in shorten(encoder.loss_history_))
    rows = {
        "words": f"{about['words']:,} of {about['vector_size']} dimensions",
        "seen": f"{about['corpus_words']:,} times in the training text",
        "frequent": " ".join(about["most_frequent"]),
        "contexts": "yes" if about["contexts"] else "no: only --space word2vec can be used",
        "epochs": str(about["epochs_trained"]) + (f", loss {losses}" if losses else ""),
        "size": f"{about['bytes'] / 1e6:,.1f} MB",
    }
    if training is not None:
        rows["training"] = (
            f"interrupted after {training.epoch} of {training.epochs} epochs; conec train with "
            "--resume goes on"
        )
    for name, value in rows.items():
        typer.echo(f"{name:10} {value}")
    typer.echo("parameters")
    for name, value in about["parameters"].items():
        typer.echo(f"  {name:14} {value}")


def shorten(losses: list[float], most: int = 6) -> list[float]:
    """Losses from first to last, a few of them."""
    if len(losses) <= most:
        return losses
    steps = range(most - 1)
    return [losses[len(losses) * step // (most - 1)] for step in steps] + losses[-1:]
