"""Serve the simulator: `python -m <pack>.nodes.runware.simulator --port 8788`. It prints its base URL."""

from __future__ import annotations

import argparse
import sys
import threading

from ..animatic import render  # noqa: TID252  the pack has no absolute name
from .faults import Faults
from .simulator import Simulator


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="Serve the simulated service on a loopback socket.")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--key", default=None, help="the only key taken; without, any key is")
    parser.add_argument("--latency", type=float, default=60.0, help="seconds from acceptance to success")
    parser.add_argument("--dedupe", choices=("running", "forever", "none"), default="forever")
    parser.add_argument("--fault-seed", type=int, default=None, help="draw faults with this seed")
    parser.add_argument("--animatic", action="store_true", help="render films one can watch")
    parser.add_argument("--deliver", action="store_true", help="serve uploadEndpoint and webhookURL on this machine")
    wanted = parser.parse_args()
    simulator = Simulator(
        key=wanted.key,
        render=render if wanted.animatic else None,
        latency=wanted.latency,
        dedupe=wanted.dedupe,
        faults=None if wanted.fault_seed is None else Faults.seeded(wanted.fault_seed),
        threads=True,
    )
    with simulator.serve(wanted.host, wanted.port, deliver=wanted.deliver) as served:
        sys.stdout.write(f"{served.base_url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
