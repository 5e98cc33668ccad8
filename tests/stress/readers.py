"""Damage valid files of every format that is read, and accept only errors that name the file.

``python -m tests.stress.readers --inputs 100000`` prints a row for each format and exits with
status 1 if anything went wrong. Each input is a valid file with bits flipped, bytes cut, inserted,
deleted, swapped or repeated, or garbage appended. It is either read or refused:

same, changed
    it was read, with the same result as the valid file or with another one
named
    it was refused with an error of this project, or a ValueError, that names the file
others
    failed: any other error, a message of thousands of characters, or a crash of the process
hangs
    failed: it took more than 10 seconds of CPU time, or 60 seconds without progress
memory
    failed: it took more than 1 GB of address space
silent
    failed: another result though the format has checksums and only bits were flipped
invalid
    failed: a result with words that are empty, not text, or cannot be encoded as UTF-8
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tests.stress.files import NAMES, Format, formats

READ = ("same", "changed", "named")
FAILURES = ("others", "hangs", "memory", "silent", "invalid")
CPU_SECONDS, STALLED_SECONDS = 10, 60
MEMORY = 1_000_000_000  # bytes that one input may take
LONGEST_MESSAGE = 2000  # characters


class Hang(BaseException):
    """An input took too long; not an Exception, so that no reader converts it."""


# Damage

# Bytes that are special in some format, and numbers that are out of range
SPECIAL = [
    b"\x00", b"\n", b"\r", b"\r\n", b"\t", b" ", b"\x0c", b"\x1c", b"\x85", b"\xff", b"\xc3", b'"',
    b"'", b"\\", b",", b";", b"::", b"|", b"{", b"}", b"[", b"]", b"<", b">", b"&", b"&#55296;",
    b"-", b".", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"\xe2\x80\xa8", b"nan",
    b"NaN",
    b"inf", b"Infinity", b"-1", b"0", b"1e999", b"1e30", b"1e-400", b"2147483648", b"4294967296",
    b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"1_000", b"0x10",
    b"null", b"true", b"-DOCSTART-", b"<doc ", b"</doc>", b"<REUTERS", b"</REUTERS>", b"PAR1",
    "\u0663".encode(), "\u00b2".encode(), "\u0e33".encode(), "\u0301".encode(),
]  # fmt: skip
# Repeated many times: deep nesting, long fields, huge numbers
UNITS = [
    b"[",
    b"{",
    b'{"a":',
    b"<",
    b"<a ",
    b"&",
    b"(",
    b"a",
    b"9",
    b" ",
    b"\n",
    b"\x00",
    b"\t",
    b"a.",
]


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        bit = rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def delete(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + _length(rng)]


def insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(SPECIAL) if rng.random() < 0.7 else rng.randbytes(_length(rng))


def overwrite(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    new = rng.choice((rng.randbytes(4), b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"))
    data[start : start + len(new)] = new


def insert_many(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(UNITS) * rng.choice((10, 100, 100, 5_000, 5_000, 20_000, 150_000))


def swap(data: bytearray, rng: random.Random) -> None:
    size = min(_length(rng), len(data) // 2)
    a, b = rng.randrange(len(data) - size + 1), rng.randrange(len(data) - size + 1)
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


def repeat(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    at = rng.randrange(len(data) + 1)
    data[at:at] = data[start : start + 10 * _length(rng)] * rng.choice((1, 1, 1, 50))


def append(data: bytearray, rng: random.Random) -> None:
    data += rng.choice((rng.randbytes(_length(rng)), bytes(data), b"\x00" * 512, b"garbage\n"))


def _length(rng: random.Random) -> int:
    return min(int(rng.expovariate(0.1)) + 1, 100)


DAMAGES = (
    flip, flip, flip, flip, cut, delete, insert, insert, overwrite, insert_many, swap, repeat,
    append,
)  # fmt: skip


def damage(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Return damaged data, and whether only bits were flipped."""
    changed = bytearray(data)
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.choice(DAMAGES)
        if changed:
            change(changed, rng)
            done.append(change)
    return bytes(changed), set(done) == {flip}


# Reading in a child process


class Child:
    """Reads damaged files, one after the other, and reports each on a pipe.

    Parameters
    ----------
    seed : int
    folder : Path
        Folder to work in.
    """

    def __init__(self, formats: list[Format], seed: int, folder: Path) -> None:
        self.formats, self.seed, self.folder = formats, seed, folder
        self.number = 0
        for item in formats:
            try:
                item.expected = item.read(self.write(item, item.files))
                item.refused = unusable(item.expected)
            except Exception:
                item.refused = traceback.format_exc()
        signal.signal(signal.SIGPROF, self.stop)

    def stop(self, *_: object) -> None:
        raise Hang

    def write(self, item: Format, files: dict[str, bytes]) -> Path:
        """Write files to a new folder, so that an error with an earlier name is noticed."""
        shutil.rmtree(self.folder / str(self.number), ignore_errors=True)
        self.number += 1
        root = self.folder / str(self.number)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root / item.path

    def damaged(self, number: int) -> tuple[Format, dict[str, bytes], bool]:
        rng = random.Random(f"{self.seed} {number}")
        item = self.formats[number % len(self.formats)]
        name = rng.choice(sorted(item.files))
        content, only_flips = damage(item.files[name], rng)
        return item, {**item.files, name: content}, only_flips

    def run(self, number: int) -> tuple[str, str]:
        """Read one damaged file; return what happened, and details."""
        item, files, only_flips = self.damaged(number)
        if item.refused:
            return "others", f"the valid file is refused\n{item.refused}"
        path = self.write(item, files)
        before, peak = address_space()
        outcome, detail = "", ""
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        try:
            result = item.read(path)
            signal.setitimer(signal.ITIMER_PROF, 0)
        except Hang:
            return "hangs", traceback.format_exc()
        except Exception as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            outcome, detail = judge(error, path)
        else:
            if detail := unusable(result):
                outcome = "invalid"
            elif result == item.expected:
                outcome = "same"
            else:
                outcome = "silent" if item.checksums and only_flips else "changed"
        after = address_space()[1]
        if after > peak and after - before > MEMORY:
            return "memory", f"{after - before:,} bytes\n{detail}"
        return outcome, detail


def judge(error: Exception, path: Path) -> tuple[str, str]:
    """Whether an error is one of the project, or a ValueError, and names the file."""
    own = type(error).__module__.split(".")[0] in ("corpora", "conec", "simec")
    if (own or type(error) is ValueError) and str(path) in str(error):
        if len(str(error)) < LONGEST_MESSAGE:
            return "named", ""
        return "others", f"the message has {len(str(error)):,} characters: {str(error)[:500]}"
    return "others", "".join(traceback.format_exception(error))


def unusable(result: Any) -> str:
    """Describe the invalid words of a result; "" without any."""
    if isinstance(result, str):
        try:
            result.encode()
        except UnicodeEncodeError as error:
            return str(error)
        return ""
    if isinstance(result, dict):
        return next(filter(None, map(unusable, (*result, *result.values()))), "")
    if isinstance(result, (list, tuple)):
        return next(filter(None, map(unusable, result)), "")
    return "" if isinstance(result, (int, float, bytes)) else f"the result holds {result!r}"


def address_space() -> tuple[int, int]:
    """Size and peak of this process's address space in bytes; zeros where it is unknown."""
    sizes = {"VmSize": 0, "VmPeak": 0}
    try:
        with open("/proc/self/status") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name in sizes:
                    sizes[name] = 1024 * int(value.split()[0])
    except OSError:
        pass
    return sizes["VmSize"], sizes["VmPeak"]


def child(arguments: argparse.Namespace) -> None:
    """Read the inputs from `start` on; write a line for each before and after it."""
    warnings.simplefilter("ignore")
    chosen = formats(arguments.formats)
    with tempfile.TemporaryDirectory() as folder:
        worker = Child(chosen, arguments.seed, Path(folder))
        limit = address_space()[0]
        if limit:
            resource.setrlimit(resource.RLIMIT_AS, (limit + 4 * MEMORY,) * 2)
        for number in range(arguments.start, arguments.inputs, arguments.step):
            print(number, flush=True)
            outcome, detail = worker.run(number)
            print(json.dumps([worker.formats[number % len(chosen)].name, outcome, detail]))
            if outcome in ("hangs", "memory"):
                break  # the state of this process may be unusable, and its peak hides others
        sys.stdout.flush()


# Parent


class Results:
    """Outcomes by format, and details of failures."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.failures: list[tuple[int, str, str, str]] = []

    def add(self, number: int, name: str, outcome: str, detail: str) -> None:
        self.counts.setdefault(name, Counter())[outcome] += 1
        if outcome in FAILURES:
            self.failures.append((number, name, outcome, detail))


def run_worker(
    inputs: int, names: list[str], seed: int, start: int, step: int
) -> Iterator[tuple[int, str, str, str]]:
    """Yield number, format, outcome and details of each input that a chain of children reads."""
    while start < inputs:
        command = [sys.executable, "-m", "tests.stress.readers", "--child", "--seed", str(seed)]
        command += ["--inputs", str(inputs), "--start", str(start), "--step", str(step)]
        command += ["--formats", *names]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
            assert process.stdout is not None
            number, outcome = None, ""
            for line in lines(process.stdout):
                if line is None:
                    outcome = "hangs"
                    process.kill()
                    break
                content = json.loads(line)
                if isinstance(content, int):
                    number = content
                else:
                    assert number is not None
                    yield (number, *content)
                    start, number = number + step, None
            status = process.wait()
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            if number is None and status != 0:
                raise RuntimeError(f"a child process failed:\n{said}")
            if number is not None:
                name = names[number % len(names)]
                yield number, name, outcome or "others", f"exit status {status}\n{said[-3000:]}"
                start = number + step


def lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    """Yield the lines of a pipe; None if there is no progress."""
    buffer = b""
    while True:
        if not select.select([stream], [], [], STALLED_SECONDS)[0]:
            yield None
            return
        block = os.read(stream.fileno(), 1 << 16)
        if not block:
            return
        *whole, buffer = (buffer + block).split(b"\n")
        yield from whole


def main() -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--formats", nargs="+", default=NAMES, choices=NAMES, metavar="FORMAT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of one input: print what happens to it")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument("--step", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return 0
    if arguments.only is not None:
        arguments.start, arguments.inputs = arguments.only, arguments.only + 1
    results = Results()
    for outcome in run_worker(
        arguments.inputs, arguments.formats, arguments.seed, arguments.start, 1
    ):
        results.add(*outcome)
    columns = (*READ, *FAILURES)
    print(f"{'':26}" + "".join(f"{name:>9}" for name in ("inputs", *columns)))
    total: Counter[str] = Counter()
    for name, counts in [*sorted(results.counts.items()), ("all", total)]:
        total += counts if counts is not total else Counter()
        values = [counts.total(), *(counts[column] for column in columns)]
        print(f"{name:26}" + "".join(f"{value:>9}" for value in values))
    shown: Counter[tuple[str, str]] = Counter()
    for number, name, outcome, detail in results.failures:
        kind = (name, detail.strip().splitlines()[-1][:40] if detail.strip() else outcome)
        shown[kind] += 1
        if shown[kind] <= 2:
            print(f"\n--only {number}: {name}: {outcome}\n{detail}")
    return int(bool(results.failures))


if __name__ == "__main__":
    sys.exit(main())
