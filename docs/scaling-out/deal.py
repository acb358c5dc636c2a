"""Deal one graph out to the workers, once for every line of a file of prompts, and wait for the films.

    python deal.py clip.json prompts.txt
    python deal.py clip.json prompts.txt --times 2    each job twice: it costs time and no money

Dealing the same out again, tomorrow or from another machine, finds what was bought.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue, Retry
from rq.job import Job, JobStatus

QUEUE = "kling"
REDIS = os.environ.get("REDIS", "redis://127.0.0.1:6379")
TRIES = 5
SECONDS_FOR_ONE = 2 * 60 * 60
SECONDS_BETWEEN_LOOKS = 1.0


def graphs(template: dict[str, Any], prompts: list[str]) -> Iterator[dict[str, Any]]:
    """Give the graph once for each prompt."""
    for prompt in prompts:
        graph = copy.deepcopy(template)
        for node in graph.values():
            if node["class_type"] == "KlingPrompt":
                node["inputs"]["positive_prompt"] = prompt
        yield graph


def deal(queue: Queue, graph: dict[str, Any]) -> Job:
    """Put one graph into the queue; whoever loses it, another worker plays it again."""
    return queue.enqueue(
        "worker.play", graph, retry=Retry(max=TRIES), job_timeout=SECONDS_FOR_ONE, result_ttl=-1, failure_ttl=-1
    )


def main() -> None:
    """Deal out, wait, and print a line of JSON for each job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", type=Path, help='as "Export (API)" writes it')
    parser.add_argument("prompts", type=Path, help="one a line")
    parser.add_argument("--times", type=int, default=1)
    wanted = parser.parse_args()
    prompts = [line.strip() for line in wanted.prompts.read_text(encoding="utf-8").splitlines() if line.strip()]
    queue = Queue(QUEUE, connection=Redis.from_url(REDIS))
    template = json.loads(wanted.graph.read_text(encoding="utf-8"))
    jobs = [deal(queue, graph) for _ in range(wanted.times) for graph in graphs(template, prompts)]
    failed = 0
    for job, prompt in zip(jobs, prompts * wanted.times, strict=True):
        while job.get_status() not in (JobStatus.FINISHED, JobStatus.FAILED):
            time.sleep(SECONDS_BETWEEN_LOOKS)
        job.refresh()
        result = job.latest_result()
        told = job.return_value() or {"error": (result.exc_string or "") if result else "lost"}
        failed += "error" in told
        sys.stdout.write(json.dumps({"prompt": prompt, **told}) + "\n")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
