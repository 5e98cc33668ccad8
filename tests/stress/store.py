"""Kill saves, read during writes, fill the disk and flip bits, for every kind of model.

``python -m tests.stress.store --seconds 600`` prints what it did and what went wrong, a row for
each kind, and exits with status 1 if anything did:

lost
    no model could be found in its place
mixed
    a model was loaded that nobody saved: files of two of them, or damaged ones
damaged
    a model that no bit was flipped of was refused
unnamed
    an error other than ModelError for a damaged folder, or one that does not name it; or other
    than an OSError that names it for a full disk
leftovers
    temporary files next to the model after one more save
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from corpora import files
from corpora.errors import ModelError
from tests.golden import FOLDER as GOLDEN
from tests.stress.kinds import KINDS, Kind, Save
from tests.stress.table import Table

FAILURES = ("lost", "mixed", "damaged", "unnamed", "leftovers")
DONE = ("kills", "loads", "full disks", "flips")


class Stress:
    """One kind of model: two saved versions of it, and the outcomes of the attacks.

    Parameters
    ----------
    kind : Kind
    folder : Path
        Folder to work in.
    rng : random.Random
    """

    def __init__(self, kind: Kind, folder: Path, rng: random.Random) -> None:
        self.kind, self.folder, self.rng = kind, folder, rng
        self.path = folder / "place" / "model"
        self.path.parent.mkdir()
        self.counts: Counter[str] = Counter()
        self.messages: list[str] = []
        self.saves: list[Save] = []
        self.contents = []
        for version in (1, 2):
            save = kind.make(version)
            save(folder / f"version {version}")
            self.saves.append(save)
            self.contents.append(kind.load(folder / f"version {version}", True))
        assert self.contents[0] != self.contents[1]

    def run(self, seconds: float) -> None:
        """Do all attacks: each at least once, and for this time in total."""
        for attack in (self.kills, self.readers, self.full_disk, self.flips, self.earlier_formats):
            self.restore()
            attack(time.monotonic() + seconds / 5)
        self.restore()
        self.leftovers()

    def restore(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(self.folder / "version 1", self.path)

    def failed(self, what: str, detail: str) -> None:
        self.counts[what] += 1
        self.messages.append(f"{what}: {detail}")

    def check(self, verify: bool = True) -> None:
        """Load the model, which has to be one of the two."""
        try:
            loaded = self.kind.load(self.path, verify)
        except FileNotFoundError as error:
            self.failed("lost", str(error))
        except ModelError as error:
            self.failed("lost" if "not found" in str(error) else "damaged", str(error))
        except Exception:
            self.failed("unnamed", traceback.format_exc())
        else:
            self.counts["loads"] += 1
            if loaded not in self.contents:
                self.failed("mixed", "neither of the two models")

    def leftovers(self) -> None:
        self.saves[0](self.path)
        names = sorted(set(os.listdir(self.path.parent)) - {"model"})
        if names:
            self.failed("leftovers", str(names))

    # Attacks

    @contextmanager
    def writer(self, *, exchange: bool = True) -> Iterator[int]:
        """Another process that saves one model over the other, until it is killed."""
        process = os.fork()
        if process == 0:
            try:
                if not exchange:
                    files.exchange = lambda *_: False
                while True:
                    for save in self.saves:
                        save(self.path)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        try:
            yield process
        finally:
            os.kill(process, signal.SIGKILL)
            status = os.waitpid(process, 0)[1]
            if not os.WIFSIGNALED(status):
                self.failed("unnamed", "the writer ended with an error")

    def kills(self, end: float) -> None:
        """Kill a save at a random moment; the next load finds one of the two models."""
        begin = time.monotonic()
        self.saves[1](self.path)
        duration = time.monotonic() - begin
        for _ in until(end):
            with self.writer(exchange=self.rng.random() < 0.5):
                time.sleep(self.rng.uniform(0, 3 * duration))
            self.counts["kills"] += 1
            self.check()
        self.leftovers()

    def readers(self, end: float) -> None:
        """Load while another process keeps saving."""
        for exchange in (True, False):
            stop = time.monotonic() + (end - time.monotonic()) / (2 if exchange else 1)
            with self.writer(exchange=exchange):
                for _ in until(stop):
                    self.check(verify=self.rng.random() < 0.5)

    def full_disk(self, end: float) -> None:
        """Save to a disk that is full at a random moment; the model in place stays."""
        sizes = [path.stat().st_size for path in self.path.rglob("*") if path.is_file()]
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        for _ in until(end):
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.rng.randrange(0, max(sizes)), limit[1]))
            try:
                self.saves[1](self.path)
            except Exception as error:
                self.check_disk_error(error)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            self.check()
        with small_disk(self.folder, 4 * sum(sizes) + (1 << 16)) as disk:
            if disk is not None:
                self.on_small_disk(disk)

    def on_small_disk(self, disk: Path) -> None:
        place, self.path = self.path, disk / "model"
        try:
            self.saves[0](self.path)
            for size in range(0, 1 << 20, 4096):
                try:
                    (disk / "ballast").write_bytes(bytes(size))
                except OSError:
                    break
                try:
                    self.saves[1](self.path)
                except Exception as error:
                    self.check_disk_error(error)
                self.check()
            (disk / "ballast").unlink()
            self.leftovers()
        finally:
            self.path = place

    def check_disk_error(self, error: Exception) -> None:
        self.counts["full disks"] += 1
        if not isinstance(error, OSError) or str(self.path) not in str(error):
            self.failed("unnamed", repr(error))

    def flips(self, end: float) -> None:
        """Flip a bit, cut or remove a file: a ModelError that names the folder."""
        names = [path.relative_to(self.path) for path in self.path.rglob("*") if path.is_file()]
        for _ in until(end):
            for name in names:
                self.restore()
                self.damage(self.path / name)
                self.counts["flips"] += 1
                try:
                    self.kind.load(self.path, True)
                except ModelError as error:
                    if str(self.path) not in str(error):
                        self.failed("unnamed", repr(error))
                except Exception:
                    self.failed("unnamed", f"{name}: {traceback.format_exc()}")
                else:
                    self.failed("mixed", f"{name} was loaded though it is damaged")
                # Without verification, values may differ, but nothing else may happen.
                with self.only_model_errors(str(name)):
                    self.kind.load(self.path, False)

    def damage(self, path: Path) -> None:
        how = self.rng.random()
        data = bytearray(path.read_bytes())
        if how < 0.1:
            path.unlink()
        elif how < 0.2:
            path.write_bytes(data[: self.rng.randrange(len(data))])
        else:
            bit = self.rng.randrange(8 * len(data))
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(data)

    def earlier_formats(self, end: float) -> None:
        """Flip bits of a folder without checksums: it loads, or a ModelError says why not."""
        prefix = next(name for name, kind in KINDS.items() if kind is self.kind)
        models = [path for path in GOLDEN.iterdir() if path.name.startswith(EARLIER[prefix])]
        while time.monotonic() < end and models:
            model = self.rng.choice(models)
            shutil.rmtree(self.path)
            shutil.copytree(model, self.path)
            path = self.rng.choice([path for path in self.path.rglob("*") if path.is_file()])
            self.damage(path)
            self.counts["flips"] += 1
            with self.only_model_errors(f"{model.name}/{path.name}"):
                self.kind.load(self.path, False)

    @contextmanager
    def only_model_errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except ModelError:
            pass
        except Exception:
            self.failed("unnamed", f"{what}: {traceback.format_exc()}")


def until(end: float) -> Iterator[None]:
    """Repeat a loop until a time, and at least once, however slow the machine is."""
    yield
    while time.monotonic() < end:
        yield


# Folders of earlier formats by the beginnings of their names.
EARLIER: dict[str, tuple[str, ...]] = {
    "token_stream": ("token_stream",),
    "context_encoder": ("context_encoder", "checkpoint"),
    "extended_context_encoder": ("extended",),
    "tagger": ("tagger",),
    "similarity_encoder": ("similarity_encoder",),
    "link_predictor": ("link_predictor",),
    "recommender": ("recommender",),
    "baseline_recommender": ("recommender_item_knn", "recommender_averages"),
}


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path | None]:
    """A disk of a few bytes, where this user may mount one; None elsewhere."""
    path = folder / "small disk"
    path.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        yield None
        return
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def run(
    seconds: float,
    kinds: list[str],
    seed: int = 0,
    report: Callable[[str, Stress], None] = lambda *_: None,
) -> dict[str, Stress]:
    """Attack each kind for its share of the time; return the results by kind."""
    results = {}
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as root:
        warnings.simplefilter("ignore")
        for name in kinds:
            folder = Path(root, name)
            folder.mkdir()
            results[name] = Stress(KINDS[name], folder, random.Random(f"{seed} {name}"))
            results[name].run(seconds / len(kinds))
            report(name, results[name])
    return results


def main() -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS, metavar="KIND")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    table = Table((*DONE, *FAILURES), indent=25)

    def report(name: str, result: Stress) -> None:
        table.add(name, result.counts, result.messages[:5])

    results = run(arguments.seconds, arguments.kinds, arguments.seed, report)
    return int(any(result.counts[name] for result in results.values() for name in FAILURES))


if __name__ == "__main__":
    sys.exit(main())
