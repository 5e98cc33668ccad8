"""Mutate CRFsuite's file of a tagger: it is refused, or it predicts; no process crashes.

``python -m tests.stress.taggers --inputs 100000`` prints how many files were accepted and refused,
and exits with status 1 if a process crashed or an error was not a ValueError.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import struct
import sys
from collections import Counter

from conec.ner import Tagger, standard_features
from conec.ner.crf import Field
from tests.golden import FOLDER as GOLDEN

X = [["ann", "smith", "in", "oslo"], ["bob", "goes", "to", "new", "york"]] * 6
Y = [["B-PER", "I-PER", "O", "B-LOC"], ["B-PER", "O", "O", "B-LOC", "I-LOC"]] * 6


def fields() -> list[bytes]:
    """Valid files: of an earlier version, and of this one."""
    trained = Tagger(max_iterations=30).fit(X, Y)._field.content
    return [(GOLDEN / "tagger" / "field.crfsuite").read_bytes(), trained]


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Flip bits, and replace bytes, integers, and whatever the header refers to."""
    data, size = bytearray(content), len(content)
    kind = rng.randrange(6)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(size - 64)
        extreme = rng.choice((0, 1, 2, 3, 12, size, 2**31, 2**32 - 1, rng.randrange(size)))
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at & ~3 : (at & ~3) + 4] = struct.pack("<I", extreme)
        elif kind == 3:
            start = rng.randrange(2, 12) * 4
            data[start : start + 4] = struct.pack("<I", extreme)
        elif kind == 4:
            other, n = rng.randrange(size - 64), rng.randrange(1, 64)
            data[at : at + n] = data[other : other + n]
        else:
            chunk = rng.choice(struct.unpack("<5I", content[28:48]))
            start = min(chunk + 4 + 4 * rng.randrange(600), size - 4)
            data[start : start + 4] = struct.pack("<I", extreme)
    data[4:8] = struct.pack("<I", len(data))
    return bytes(data)


def attack(seed: int, first: int, stop: int, contents: list[bytes]) -> tuple[Counter[str], int]:
    """Load mutated files in a child process, until it dies; return results and how many it did."""
    sentences = [*X[:2], ["unseen", "ann", "smith"]]
    attributes = [standard_features([(word,) for word in words]) for words in sentences]
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in range(first, stop):
            rng = random.Random(seed * 2**40 + number)
            content = mutated(rng.choice(contents), rng)
            signal.alarm(10)
            result = b"a"  # accepted
            try:
                field = Field(content)
                assert all(set(field.predict(a)) <= set(field.labels) for a in attributes)
            except ValueError:
                result = b"r"
            except BaseException:
                result = b"o"
            os.write(writing, result)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        results = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    names = {"a": "accepted", "r": "refused", "o": "other errors"}
    counts = Counter(names[result] for result in results)
    counts["crashes"] += status != 0
    return counts, len(results) + (status != 0)


def run(n: int, seed: int = 0) -> Counter[str]:
    """Attack with n mutated files."""
    contents = fields()
    counts: Counter[str] = Counter()
    done = 0
    while done < n:
        more, number = attack(seed, done, n, contents)
        counts += more
        done += number
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    counts = run(arguments.inputs, arguments.seed)
    print(
        ", ".join(
            f"{counts[name]:,} {name}"
            for name in ("accepted", "refused", "other errors", "crashes")
        )
    )
    sys.exit(bool(counts["other errors"] or counts["crashes"]))
