"""Command lines of other programs that train the same model; they are built separately."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks.train_speed.trainers import SETTINGS

# One epoch of CBOW without subsampling; to be adapted to other versions of the programs
PROGRAMS = {
    "koan": (
        "-V 2000000 --epochs 1 --dim {vector_size} --negatives {negative} "
        "--window-size {window} --learning-rate 0.075 --downsample-th 0 --min-count {min_count} "
        "--threads {threads} --train-path {text} --embedding-path {out} --cbow true"
    ),
    "word2vec": (
        "-train {text} -output {out} -cbow 1 -size {vector_size} -window {window} "
        "-negative {negative} -hs 0 -sample 0 -threads {threads} -iter 1 "
        "-min-count {min_count} -binary 1"
    ),
}


def add_arguments(p: argparse.ArgumentParser) -> None:
    """An option for the path of each program."""
    for name in PROGRAMS:
        p.add_argument(f"--{name}", type=Path, metavar="PATH", help=f"the program {name}")


def check(p: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Exit, before anything runs, if a path is not a program."""
    for name in PROGRAMS:
        path = getattr(args, name)
        if path is not None and not (path.is_file() and os.access(path, os.X_OK)):
            p.error(f"--{name} {path}: the file does not exist or is not executable")


def command(name: str, path: Path, text: Path, threads: int) -> list[str]:
    """The command line of another program."""
    values = {**SETTINGS, "threads": threads, "text": text, "out": text.with_suffix(f".{name}")}
    return [str(path.resolve()), *(part.format_map(values) for part in PROGRAMS[name].split())]
