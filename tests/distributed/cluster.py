"""A Ray cluster on this machine: a head without CPUs, and nodes with one each.

As a script, with the bytes of each object store as its argument, it prints its address and then the
process id of each node, adds a node for each line of its input, and ends with the input.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEMORY = 100 << 20  # bytes of each object store


class Cluster:
    """A running cluster.

    Attributes
    ----------
    address : str
    nodes : list of int
        Process ids of the nodes, without the head.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._line()
        self.nodes: list[int] = []

    def add_node(self) -> int:
        """Add a node, and return its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write("add\n")
        self._process.stdin.flush()
        self.nodes.append(int(self._line()))
        return self.nodes[-1]

    def kill_head(self) -> None:
        """Kill the process that knows all nodes."""
        for number in self.processes():
            with suppress(OSError):
                if b"gcs_server" in Path(f"/proc/{number}/cmdline").read_bytes():
                    os.kill(number, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Process ids of the whole cluster."""
        return session(self._process.pid)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the cluster did not start")
        return line


@contextmanager
def running(n_nodes: int, memory: int = MEMORY) -> Iterator[Cluster]:
    """Run a cluster; all its processes end with the block."""
    # Ray's sockets have long names: the folder needs a short one
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    process = subprocess.Popen(
        [sys.executable, __file__, str(memory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RAY_TMPDIR": folder,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",  # 15 by default: slow on a busy machine
            # A dead node is found after about 5 s, not 15. Busy nodes answer late.
            "RAY_health_check_initial_delay_ms": "1000",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_failure_threshold": "5",
            "PYTHONDONTWRITEBYTECODE": "",  # many processes import the same modules
        },
    )
    try:
        cluster = Cluster(process)
        for _ in range(n_nodes):
            cluster.add_node()
        yield cluster
    finally:
        # all processes of the cluster are in the session of the script
        for number in session(process.pid):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        shutil.rmtree(folder, ignore_errors=True)


def session(leader: int) -> list[int]:
    """Process ids of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) == leader:
                    found.append(int(entry.name))
    return found


def main() -> None:
    from ray.cluster_utils import Cluster as Nodes

    memory = int(sys.argv[1])
    nodes = Nodes(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "object_store_memory": memory,
            # less to start
            "include_dashboard": False,
            "include_log_monitor": False,
            "no_monitor": True,
        },
    )
    print(nodes.address, flush=True)
    for _ in sys.stdin:
        node = nodes.add_node(num_cpus=1, object_store_memory=memory)
        print(node.all_processes["raylet"][0].process.pid, flush=True)


if __name__ == "__main__":
    main()
