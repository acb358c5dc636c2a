"""Judges a world by its invariants, when all is over; those of a send are judged as it leaves (world.py)."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from kling.nodes.runware.attempts import AHEAD, FAR
from kling.nodes.runware.journal import midnight
from kling.nodes.runware.order import Timing
from kling.nodes.runware.simulator import tiny_film
from kling.nodes.runware.simulator.spoil import vary

from .clockwork import EPOCH
from .weather import DENYING, ShyService

if TYPE_CHECKING:
    from kling.nodes.runware.simulator.jobs import Job

    from .world import Sent, World

CALLED_FAILED = 3
"""So many answers that call a task failed, over half a minute, are believed."""
FIT_TO_SEND_BY = Timing.fresh + Timing.look
"""Seconds for which an answer that showed nothing is believed."""
AFAR_ASKED_BY = 3_600.0
"""Seconds before a send in which its press must have asked about the attempts far ahead."""


def look(world: World) -> None:
    """Judge the whole, when all is over."""
    world.simulator.run_out()
    _look_at_bills(world)
    _look_at_films(world)
    _look_at_the_days(world)
    for volume in world.volumes:
        for path, node in volume.names.items():
            if any(key.encode() in node.data for key in world.keys):
                world.fail(f"I7: the key stands in {path}")


def _look_at_bills(world: World) -> None:
    for task_uuid in world.simulator.service.jobs:
        billed = world.simulator.billed(task_uuid)
        if billed > 1 and not _allowed_double(world):
            world.fail(f"I1: {task_uuid} was billed {billed} times")
    for attempts in world.sent.values():
        paid = [task_uuid for task_uuid in attempts if world.simulator.billed(task_uuid)]
        allowed = _allowed_double(world) or _changed_its_mind(world, paid[:-1]) or other_name(world)
        if len(paid) > 1 and not allowed:
            if not _bought_blindly(world, paid):
                world.fail(f"I1: {len(paid)} attempts at one purchase were billed")
            world.bought_blindly += 1
        world.paid_again += len(paid) > 1 and _changed_its_mind(world, paid[:-1])


def _look_at_films(world: World) -> None:
    films = _films(world)
    for task_uuid, jobs in world.simulator.service.jobs.items():
        paid = [row["videoUUID"] for job in jobs if job.charged for row in job.films[: job.successes]]
        missing = [video_uuid for video_uuid in paid if video_uuid not in films]
        if missing and len(jobs) == 1 and not (other_name(world) and "films" in world.suffered):
            world.fail(f"I2: film {missing[0]} of {task_uuid} was billed and not delivered")


def _look_at_the_days(world: World) -> None:
    """Sum what each machine spent in a day. Where its clock or its journal was tampered with it cannot know."""
    if world.budget is None or world.suffered & {"clock", "journal"} or _allowed_double(world):
        return
    spent: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    for jobs in world.simulator.service.jobs.values():
        for job in jobs:
            if job.charged:
                sent = _send_of(world, job)
                day = midnight(EPOCH + sent.at).isoformat()
                spent[world.volumes.index(sent.machine), day] += Decimal(str(job.price)) * job.successes
    for (machine, day), total in spent.items():
        if total > world.budget:
            world.fail(f"machine {machine} spent {total} on {day}, and its budget is {world.budget}")


def figures(world: World) -> Counter[str]:
    """What this world showed, for the sums of a soak run."""
    seen: Counter[str] = Counter({"worlds": 1, "posts": 0})
    for exchange in world.simulator.requests:
        seen["exchanges"] += 1
        seen["posts"] += exchange.channel == "videoInference"
        seen["faults"] += exchange.fault is not None
    seen.update(f"end: {end}" for end in world.ends)
    seen["crashes"] = sum("killed at" in note for note in world.notes)
    seen["films not delivered at the end"] = sum(end != "film" for end in world.final)
    seen["paid for two attempts, as a failure became a film later"] = world.paid_again
    seen["with a day's budget"] = world.budget is not None
    seen["exempt: journal lost and key rotated"] = other_name(world)
    seen["exempt: two machines that bought two attempts, and could not see each other's"] = world.bought_blindly
    seen["exempt: two machines or no journal, and no help from the service"] = _allowed_double(world)
    return seen


def other_name(world: World) -> bool:
    """Whether this machine cannot know what an earlier purchase was called: its record and its key are gone."""
    return "key" in world.suffered and ("journal" in world.suffered or world.layout == "separate")


def _allowed_double(world: World) -> bool:
    """Whether nothing but the service could have prevented a second job, and it did not.

    Two machines, a machine and its earlier self whose whole journal is gone, and one whose clock was set while it
    was off or its records were torn, have only the service between them: it must refuse a running task's UUID (A1)
    and show what it runs.
    """
    untimed = "clock" in world.suffered and world.suffered & {"power", "journal"}
    alone = world.layout == "separate" or "whole journal" in world.suffered or untimed
    return bool(alone) and (world.dedupe == "none" or isinstance(world.simulator.service, ShyService))


def _changed_its_mind(world: World, task_uuids: list[str]) -> bool:
    """Whether the service called each of these failed, answer after answer, and made a film of it after all."""
    jobs = world.simulator.service.jobs
    called = Counter(
        task.get("taskUUID") for each in world.simulator.requests if each.fault in DENYING for task in each.tasks[:1]
    )
    turned = {each for each in task_uuids if any(job.fate and job.fate.kind == "turns" for job in jobs[each])}
    return all(each in turned or called[each] >= CALLED_FAILED for each in task_uuids)


def _bought_blindly(world: World, task_uuids: list[str]) -> bool:
    """Whether two machines with separate journals bought two attempts, and the later one had asked for the other.

    Its answer must have been young, and no older than its last send; the other's bytes arrived after it. Where the
    other lay far ahead, one request in time is enough, and further than that nothing is asked. The names differ
    where one was refused on one machine, and so the service cannot tell: "Not covered" in docs/money-safety.md.
    """
    if len(task_uuids) != 2:
        return False
    jobs = [next(job for job in world.simulator.service.jobs[each] if job.charged) for each in task_uuids]
    made = sorted(((_send_of(world, job), job.at) for job in jobs), key=lambda one: one[0].at)
    (earlier, arrived), (later, _) = made
    if earlier.machine is later.machine:
        return False
    if earlier.attempt - later.attempt > AHEAD:
        return earlier.attempt - later.attempt > FAR or _came_too_late_afar(world, earlier, later, arrived)
    sends = (each for each in world.sends[later.task_uuid] if each.machine is later.machine)
    before = [each.at for each in sends if each.at < later.at]
    since = max([later.at - FIT_TO_SEND_BY, *before])
    told = [moment for moment, machine in world.answers.get(earlier.task_uuid, ()) if machine is later.machine]
    return any(since <= moment <= min(later.at, arrived) for moment in told)


def _came_too_late_afar(world: World, earlier: Sent, later: Sent, arrived: float) -> bool:
    """Whether an attempt far ahead was asked about among others, and nothing was heard of it after it arrived."""
    asked = any(
        len(each.tasks) > 1 and later.at - AFAR_ASKED_BY <= each.at <= later.at
        for each in world.simulator.requests
        if any(task.get("taskUUID") == earlier.task_uuid for task in each.tasks)
    )
    told = world.answers.get(earlier.task_uuid, ())
    return asked and not any(machine is later.machine and arrived < moment <= later.at for moment, machine in told)


def _send_of(world: World, job: Job) -> Sent:
    """Find the send that a job was made of, however late it arrived."""
    requests = world.simulator.requests
    sends = world.sends[job.task["taskUUID"]]
    return next(each for each in sends if any(task is job.task for task in requests[each.number].tasks))


def _films(world: World) -> set[str]:
    """Check every film under its final name; give their UUIDs."""
    found = set()
    for volume in world.volumes:
        for path in volume.below("films"):
            if path.name.startswith("."):
                continue
            task = world.simulator.service.film(path.stem)
            if task is None:
                world.fail(f"I5: {path.name} is no film of ours")
            whole = tiny_film.render(task[0].task, task[1])
            if volume.names[path] in world.meddled:
                continue
            data = bytes(volume.names[path].data)
            versions = range(world.simulator.films.changes + 1)  # the service may have made the file anew
            if data not in [vary(whole, version, path.suffix[1:]) for version in versions]:
                world.fail(f"I5: {path.name} is not what the service made")
            found.add(path.stem)
    return found
