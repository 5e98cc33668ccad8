"""End commands by signals at random moments.

``python -m tests.stress.runs --seconds 600`` prints what it did and what went wrong, a row for
each command, and exits with status 1 if anything did:

incomplete
    an output that is neither the earlier one nor a complete one
status
    another exit status than 128 + the signal's number (or the signal itself, for SIGKILL)
errors
    a traceback
running
    a process that is alive five seconds after its parent
temporary
    temporary files after SIGINT, SIGTERM or SIGHUP; after SIGKILL, when the command ran again
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.stress.table import Table

FAILURES = ("incomplete", "status", "errors", "running", "temporary")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
ROOT = Path(__file__).parents[2]

# Arguments; {} is the folder of inputs. The last one is the output, in a folder of its own.
COMMANDS = {
    "clean": "corpora clean {}/text.txt --clean lower --workers 2 --out clean.txt.gz",
    "count": "corpora count {}/text.txt --out words.tsv",
    "convert": "corpora convert {}/text.txt --workers 2 --out text.jsonl",
    "encode": "corpora encode {}/text.txt --min-count 1 --clean lower --workers 2 --out tokens",
    "train": "conec train {}/text.txt --vector-size 9 --epochs 2 --overwrite --out model",
    "embed": "conec embed {}/model {}/short.txt --out vectors.tsv",
    "export": "conec export {}/model --to projector --out projector",
    "tag": "conec tag train {}/tagged.conll --iterations 20 --out tagger",
    "links": "simec links train {}/kg.tsv --epochs 3 --overwrite --out links",
    "recommend": "simec recommend train {}/ratings.csv --out recommender",
}


def start(command: str, inputs: Path, folder: Path, temporary: Path) -> subprocess.Popen[str]:
    """Start a command in a session of its own."""
    program, *arguments = command.format(*[inputs] * command.count("{}")).split()
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", f"{program}.cli", *arguments],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def running(session: int) -> list[int]:
    """Processes of a session."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path("/proc", name, "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(name))
    return found


def make_inputs(folder: Path) -> None:
    """Write small texts, triples and ratings, and a model."""
    import conec

    rng = random.Random(0)
    lines = [" ".join(f"word{rng.randrange(5000)}" for _ in range(20)) for _ in range(20_000)]
    with open(folder / "text.txt", "w") as file:
        for _ in range(10):  # two shards
            file.writelines(f"{line}\n" for line in lines)
    (folder / "short.txt").write_text("\n".join(lines[:3000]))
    rows = [f"word{rng.randrange(999)} N {rng.choice(['O', 'B-A'])}" for _ in range(9000)]
    text = "\n".join(row + "\n" * (i % 15 == 0) for i, row in enumerate(rows))
    (folder / "tagged.conll").write_text(text)
    triples = [f"e{rng.randrange(500)}\tr\te{rng.randrange(500)}\n" for _ in range(4000)]
    (folder / "kg.tsv").write_text("".join(triples))
    ratings = {(rng.randrange(300), rng.randrange(300)): rng.randrange(5) for _ in range(9000)}
    (folder / "ratings.csv").write_text(
        "".join(f"u{u},i{i},{r}\n" for (u, i), r in ratings.items())
    )
    documents = [line.split() for line in lines[:2000]]
    conec.ContextEncoder(vector_size=9, min_count=1, epochs=1).fit(documents).save(folder / "model")


class Run:
    """Attacks on one command, and their outcomes."""

    def __init__(self, command: str, inputs: Path, folder: Path, rng: random.Random) -> None:
        self.command, self.inputs, self.rng = command, inputs, rng
        self.folder, self.temporary = folder / "outputs", folder / "temporary"
        self.folder.mkdir(parents=True)
        self.temporary.mkdir()
        self.out = self.folder / command.split()[-1]
        self.counts: Counter[str] = Counter()
        self.messages: list[str] = []
        self.complete()  # compiles code
        began = time.monotonic()
        self.complete()
        self.seconds = time.monotonic() - began
        self.contents = [self.content()]

    def failed(self, what: str, detail: str) -> None:
        self.counts[what] += 1
        self.messages.append(f"{what}: {detail}")

    def complete(self) -> None:
        """Run the command to its end."""
        process = start(self.command, self.inputs, self.folder, self.temporary)
        _, errors = process.communicate()
        if process.returncode:
            self.failed("errors", errors[-500:])

    def content(self) -> object:
        """The output: the bytes of a file, or the names in a folder whose checksums are right."""
        from corpora.model_folder import MANIFEST, verify_folder

        if self.out.is_dir():
            if (self.out / MANIFEST).exists():
                verify_folder(self.out)
                return "a model"
            return sorted(path.name for path in self.out.iterdir())
        return self.out.read_bytes() if self.out.exists() else None

    def left(self) -> list[str]:
        """Temporary files."""
        names = sorted(set(os.listdir(self.folder)) - {self.out.name})
        return names + [n for n in os.listdir(self.temporary) if n.startswith(("corpora", "conec"))]

    def attack(self) -> None:
        """End the command at a random moment."""
        has_old = self.rng.random() < 0.5
        if not has_old:
            shutil.rmtree(self.out) if self.out.is_dir() else self.out.unlink(missing_ok=True)
        number, group = self.rng.choice(SIGNALS), self.rng.random() < 0.5
        process = start(self.command, self.inputs, self.folder, self.temporary)
        time.sleep(self.rng.uniform(0.3, 1.1) * self.seconds)
        if process.poll() is None:
            (os.killpg if group else os.kill)(process.pid, number)
            self.counts["signals"] += 1
        _, errors = process.communicate()
        where = f"{number.name} {'to the group' if group else ''}"
        # before the command handles signals, and after the end, they end the process at once
        if process.returncode not in (0, 128 + number, -number):
            self.failed("status", f"{where}: {process.returncode} {errors[-300:]}")
        early = process.returncode == -number  # while modules are imported
        if "Traceback" in errors and not early:
            self.failed("errors", f"{where}: {errors[-500:]}")
        end = time.monotonic() + 5
        while (alive := running(process.pid)) and time.monotonic() < end:
            time.sleep(0.05)
        if alive:
            self.failed("running", f"{where}: {alive}")
            for one in alive:
                os.kill(one, signal.SIGKILL)
        try:
            content = self.content()
        except ValueError as error:
            self.failed("incomplete", f"{where}: {error}")
        else:
            if content not in (*self.contents, None) or (content is None and has_old):
                self.failed("incomplete", f"{where}: {str(content)[:99]}")
        if number == signal.SIGKILL:
            self.complete()
        if left := self.left():
            self.failed("temporary", f"{where}: {left}")
            self.complete()
        if not self.out.exists():
            self.complete()


def run(
    seconds: float, names: list[str], seed: int, report: Callable[[str, Run], None]
) -> dict[str, Run]:
    """Attack each command for its share of the time; return the results by command."""
    results = {}
    with tempfile.TemporaryDirectory() as root:
        inputs = Path(root, "inputs")
        inputs.mkdir()
        make_inputs(inputs)
        for name in names:
            rng = random.Random(f"{seed} {name}")
            results[name] = Run(COMMANDS[name], inputs, Path(root, name), rng)
            end = time.monotonic() + seconds / len(names)
            while True:
                results[name].attack()
                if time.monotonic() > end:
                    break
            report(name, results[name])
    return results


def main() -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument(
        "--commands", nargs="+", default=list(COMMANDS), choices=COMMANDS, metavar="NAME"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    table = Table(("signals", *FAILURES), indent=12)

    def report(name: str, result: Run) -> None:
        table.add(name, result.counts, result.messages[:5])

    results = run(arguments.seconds, arguments.commands, arguments.seed, report)
    return int(any(result.counts[name] for result in results.values() for name in FAILURES))


if __name__ == "__main__":
    sys.exit(main())
