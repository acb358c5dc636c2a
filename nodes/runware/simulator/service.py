"""The service behind the wire: tasks in, rows out, and a ledger. It knows no HTTP and no clock of its own."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal

from .faults import Faults
from .jobs import Charge, Job
from .media import MediaStore, upload_kind
from .models import cost_of_one_result
from .refusal import Refusal
from .rules import check
from .values import missing, names, one_of, text, uuid_v4

Row = dict[str, Any]
NEVER = float("inf")
Dedupe = Literal["running", "forever", "none"]


@dataclass
class Answer:
    """What one task gets: rows for `data`, rows for `errors`, and the status it would have alone."""

    data: list[Row] = field(default_factory=list)
    errors: list[Row] = field(default_factory=list)
    status: int = 200


@dataclass
class Service:
    """Jobs, uploads and money.

    `dedupe`: how long a task UUID is refused a second time. `retention`: seconds for which a finished task
    can be read. `late`: tasks still on their way, as (second of arrival, task).
    """

    seed: int
    latency: Callable[[Row], float] | float
    dedupe: Dedupe
    retention: float | None
    faults: Faults
    balance: float
    bill_at: Literal["success", "acceptance"]
    media: MediaStore
    host: str
    signature: str = ""
    jobs: defaultdict[str, list[Job]] = field(default_factory=lambda: defaultdict(list))
    ledger: list[Charge] = field(default_factory=list)
    late: list[tuple[float, Row]] = field(default_factory=list)
    last: dict[str, tuple[Row, Answer]] = field(default_factory=dict)
    uploads: dict[str, tuple[float, Row]] = field(default_factory=dict)
    accepted: int = 0

    def let_arrive(self, tasks: list[Row], seconds: float, now: float) -> None:
        """Let tasks that were given up just now arrive after so many seconds."""
        self.late += [(now + seconds, task) for task in tasks]

    def settle(self, now: float) -> None:
        """Bring everything up to a moment: late arrivals are accepted, finished jobs are billed."""
        for item in sorted((item for item in self.late if item[0] <= now), key=lambda item: item[0]):
            self.late.remove(item)
            self.answer(item[1], item[0])
        waiting = [(self._bill_due(job), job) for jobs in self.jobs.values() for job in jobs if not job.charged]
        for due, job in sorted((each for each in waiting if each[0] <= now and each[0] < NEVER), key=itemgetter(0)):
            job.charged = True
            count = len(job.films) if self.bill_at == "acceptance" else job.successes
            charge = Charge(job.task["taskUUID"], job.price, due)
            self.ledger += [charge] * count
            self.balance -= job.price * count

    def _bill_due(self, job: Job) -> float:
        return job.at if self.bill_at == "acceptance" else job.ends

    def answer(self, task: Row, now: float, *, dry: bool = False) -> Answer:
        """Do one task. A refusal becomes an answer with its error row and status."""
        try:
            answer = self._of_type(task, dry=dry)(task, now)
        except Refusal as refusal:
            answer = Answer(errors=[refusal.row(task)], status=refusal.status)
        if task.get("taskType") == "videoInference" and isinstance(task.get("taskUUID"), str):
            self.last[task["taskUUID"].lower()] = (task, answer)
        return answer

    def _of_type(self, task: Row, *, dry: bool) -> Callable[[Row, float], Answer]:
        if "taskType" not in task:
            raise missing("taskType")
        known: dict[str, Callable[[Row, float], Answer]] = {
            "videoInference": self._dry_run if dry else self._submit,
            "getResponse": self._poll,
            "getTaskDetails": self._details,
            "mediaStorage": self._store,
            "imageUpload": self._upload_image,
            "accountManagement": self._account,
            "ping": self._ping,
        }
        kind = task["taskType"]
        if not isinstance(kind, str) or kind not in known:
            message = f"Unsupported task type '{kind}'."
            raise Refusal("unsupportedTaskType", message, parameter="taskType", allowedValues=list(known))
        return known[kind]

    def running(self, task_uuid: str, now: float) -> Job | None:
        """Give the newest job of a task UUID that the service still remembers."""
        jobs = [job for job in self.jobs.get(task_uuid, ()) if not job.expired(now, self.retention)]
        return jobs[-1] if jobs else None

    def film(self, video_uuid: str) -> tuple[Job, int] | None:
        """Find the job and the place among its results of a video UUID."""
        for jobs in self.jobs.values():
            for job in jobs:
                for index, row in enumerate(job.films):
                    if row["videoUUID"] == video_uuid:
                        return job, index
        return None

    def _submit(self, task: Row, now: float) -> Answer:
        check(task, self.media)
        task_uuid = task["taskUUID"].lower()
        earlier = self.jobs.get(task_uuid, [])
        running = any(now < job.ends for job in earlier)
        if (self.dedupe == "forever" and earlier) or (self.dedupe == "running" and running):
            message = f"The taskUUID '{task['taskUUID']}' is already in use. Each task must have a unique taskUUID."
            raise Refusal("conflictTaskUUID", message, parameter="taskUUID", type="string")
        self._reserve(task)
        self.accepted += 1
        job = Job(
            task=task,
            number=self.accepted,
            at=now,
            seconds=self.latency(task) if callable(self.latency) else self.latency,
            chance=random.Random(f"{self.seed}/{task_uuid}/{len(earlier)}"),  # noqa: S311  no secret
            host=self.host,
            signature=self.signature,
            fate=self.faults.draw("job"),
        )
        self.jobs[task_uuid].append(job)
        return Answer([{"taskType": "videoInference", "taskUUID": task["taskUUID"]}])

    def _reserve(self, task: Row) -> None:
        open_jobs = [job for jobs in self.jobs.values() for job in jobs if not job.charged]
        owed = sum(job.price * job.successes for job in open_jobs)
        needed = cost_of_one_result(task) * task.get("numberResults", 1)
        if self.balance - owed < needed:
            message = f"Insufficient credits: this task needs ${needed:.3f}, available ${self.balance - owed:.3f}."
            raise Refusal("insufficientCredits", message, status=402)

    def _dry_run(self, task: Row, now: float) -> Answer:  # noqa: ARG002  every task has the same shape
        check(task, self.media)
        cost = cost_of_one_result(task) * task.get("numberResults", 1)
        return Answer([{"taskType": "videoInference", "taskUUID": task["taskUUID"], "cost": cost}])

    def _poll(self, task: Row, now: float) -> Answer:
        names("", task, ("taskType", "taskUUID"))
        task_uuid = self._own_uuid(task)
        if task_uuid in self.uploads:
            ready, row = self.uploads[task_uuid]
            return Answer([row] if now >= ready else [{**row, "mediaUUID": "1"}])
        job = self.running(task_uuid, now)
        if job is None:
            return Answer()
        status, data, errors = job.state(now)
        return Answer(data, errors, status)

    def _details(self, task: Row, now: float) -> Answer:
        """Show the last response to a task UUID: after a refused second submit, that is the refusal."""
        names("", task, ("taskType", "taskUUID"))
        task_uuid = self._own_uuid(task)
        job = self.running(task_uuid, now)
        if task_uuid not in self.last or (job is None and task_uuid in self.jobs):
            raise Refusal("taskNotFound", f"No task found for UUID '{task_uuid}'.", status=404)
        request, answer = self.last[task_uuid]
        data, errors = answer.data, answer.errors
        if job and not errors:
            _, data, errors = job.state(now)
        response = {name: rows for name, rows in (("data", data), ("errors", errors)) if rows}
        return Answer([{**self._head(task), "request": [request], "response": response}])

    def _store(self, task: Row, now: float) -> Answer:
        names("", task, ("taskType", "taskUUID", "operation", "media"))
        for name in ("taskUUID", "operation", "media"):
            if name not in task:
                raise missing(name)
        task_uuid = self._own_uuid(task)
        one_of("operation", task["operation"], ("upload", "delete"))
        if task["operation"] == "upload":
            row = self._upload(task, self._media_uuid(task_uuid))
            self.uploads[task_uuid] = (now, row)
            return Answer([row])
        media_uuid = uuid_v4("media", text("media", task["media"]))
        if media_uuid not in self.media.kinds:
            raise Refusal("mediaNotFound", f"No media found for UUID '{media_uuid}'.", status=404, parameter="media")
        del self.media.kinds[media_uuid]
        self.media.deleted.add(media_uuid)
        return Answer([{**self._head(task), "operation": "delete", "mediaUUID": media_uuid}])

    def _upload(self, task: Row, media_uuid: str) -> Row:
        kind = upload_kind(task)
        self.media.kinds[media_uuid] = kind
        address = f"{self.host}/{kind}/ws/2/vi/{media_uuid}"
        return {**self._head(task), "operation": "upload", "mediaUUID": media_uuid, "mediaURL": address}

    def _upload_image(self, task: Row, now: float) -> Answer:
        names("", task, ("taskType", "taskUUID", "image"))
        if "image" not in task:
            raise missing("image")
        upload = {**self._head(task), "operation": "upload", "media": task["image"]}
        row = self._store(upload, now).data[0]
        return Answer([{**self._head(task), "imageUUID": row["mediaUUID"], "imageURL": row["mediaURL"]}])

    def _account(self, task: Row, now: float) -> Answer:  # noqa: ARG002  every task has the same shape
        one_of("operation", task.get("operation"), ("getDetails",))
        balance = {"amount": round(self.balance, 6), "currency": "USD"}
        head = {**self._head(task), "operation": "getDetails", "organizationName": "Simulated studio"}
        return Answer([{**head, "organizationUUID": self._media_uuid("organization"), "balance": balance}])

    def _ping(self, task: Row, now: float) -> Answer:  # noqa: ARG002  every task has the same shape
        return Answer([{**self._head(task), "pong": True}])

    def _own_uuid(self, task: Row) -> str:
        if "taskUUID" not in task:
            raise missing("taskUUID")
        return uuid_v4("taskUUID", task["taskUUID"])

    def _media_uuid(self, name: str) -> str:
        chance = random.Random(f"{self.seed}/media/{name}")  # noqa: S311  no secret
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))

    @staticmethod
    def _head(task: Row) -> Row:
        return {name: task[name] for name in ("taskType", "taskUUID") if name in task}
