"""A run whose driver or head dies goes on with ``--resume``.

By its name the last file of this folder: its last test ends the cluster.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conec import ContextEncoder
from conec.cli import app, vector_shards
from tests.distributed.cluster import ROOT, Cluster

ray = pytest.importorskip("ray", reason="clusters need Ray")
pytestmark = pytest.mark.slow

# The command, with small shards. It waits for the fourth.
CODE = """
import sys, time
from conec.cli import app, vector_shards

def slowly(shard, *arguments, **options):
    if shard.number == 3:
        time.sleep(100)
    return write(shard, *arguments, **options)

vector_shards.SHARD_BYTES = 6000
write, vector_shards._write_vectors = vector_shards._write_vectors, slowly
app(sys.argv[1:])
"""


@pytest.mark.parametrize("who", ["driver", "head"])
def test_it_is_continued(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    draw = random.Random(0)
    documents = [[f"w{draw.randrange(60)}" for _ in range(20)] for _ in range(600)]
    model = ContextEncoder(vector_size=16, epochs=1, min_count=1, seed=0, workers=1)
    model.fit(documents).save(tmp_path / "model")
    text, partial = tmp_path / "text.txt", tmp_path / "out.partial"
    text.write_text("".join(" ".join(document) + "\n" for document in documents))
    command = ["embed", str(tmp_path / "model"), str(text), "--shards", "npz", "--out"]
    engine = ["--address", cluster.address]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["RAY_gcs_rpc_server_reconnect_timeout_s"] = "2"  # 60 by default
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *command, str(tmp_path / "out"), *engine],
        env=environment, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        end = time.monotonic() + 150
        while not (partial / "00001.json").exists() and time.monotonic() < end:
            time.sleep(0.01)
        if who == "driver":
            process.kill()
        else:
            ray.shutdown()
            cluster.kill_head()
            engine = []  # on this machine alone
        assert process.wait(60) != 0
    assert 1 < len(list(partial.glob("0*.json"))) < 4
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(vector_shards, "SHARD_BYTES", 6000)
    app([*command, str(tmp_path / "whole")], standalone_mode=False)
    app([*command, str(tmp_path / "out"), "--resume", *engine], standalone_mode=False)
    written = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("out", "whole")
    ]
    assert len(written[0]) > 8
    assert written[0] == written[1]
    assert not partial.exists()
