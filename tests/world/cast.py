"""Who plays in a told story: other machines, and services that contradict themselves."""

from __future__ import annotations

import asyncio

from kling.nodes.runware.simulator.films import NAME, Films
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer, Service

from .disk import Volume
from .orders import Kind
from .process import Process
from .story import Story

THREE = Kind(results=3)
HOUR = 3_600.0
REFUSED = {"kind": "status", "status": 402}
TURNS_THEN_REFUSED = (("job", "turns"), ("videoInference", None), ("videoInference", REFUSED))
"""A failure that will become a film, and a second attempt that is refused."""
ASKED_FIRST = (*[("getResponse", None)] * 4, *[("getTaskDetails", None)] * 4)
"""The free questions before a first send: this attempt, two later ones that another machine may have made, the rest."""


def story(*script, kind=Service, **service):
    """Tell a story of a service of some kind."""
    made = Story(*script, **service)
    made.simulator.service.__class__ = kind
    return made


def told(kind, *script, **service):
    """Tell a story in which each film can be fetched as soon as the service shows it."""
    made = story(*script, kind=kind, **service)
    made.simulator.films.__class__ = EarlyFilms
    return made


def given(outcome):
    """Count the films of a purchase that ended well."""
    assert outcome.end == "film"
    return len(outcome.record.films)


class EarlyFilms(Films):
    """Each film can be fetched as soon as it is shown."""

    async def film(self, path, now):  # noqa: ARG002  it comes before its time
        found = NAME.fullmatch(path)
        place = self.service.film(found["uuid"]) if found else None
        return self.render(place[0].task, place[1]) if place and place[1] < place[0].successes else None


class ForgetfulService(Service):
    """A service that shows a finished task in its archive alone, after ten minutes: A2 allows it."""

    def _poll(self, task, now):
        jobs = self.jobs.get(str(task.get("taskUUID")), ())
        gone = jobs and all(now >= job.ends + 600.0 for job in jobs)
        return Answer() if gone else super()._poll(task, now)


class AcknowledgingService(Service):
    """A service whose archive keeps of each task that it was accepted once, whatever became of it."""

    def _details(self, task, now):
        answer = super()._details(task, now)
        accepted = {"taskType": "videoInference", "taskUUID": task["taskUUID"]}
        return Answer([{**row, "response": {"data": [accepted]}} for row in answer.data], answer.errors, answer.status)


class Told(Service):
    """A service of which a test tells what it says of its only job; `None` is the truth."""

    def said(self, _job, _now):
        return None

    def archived(self, _job, _now):
        return None

    def _job(self, task):
        return next(iter(self.jobs.get(str(task.get("taskUUID")), ())), None)

    def _poll(self, task, now):
        job = self._job(task)
        said = self.said(job, now) if job else None
        return super()._poll(task, now) if said is None else said

    def _details(self, task, now):
        job = self._job(task)
        if job and self.archived(job, now) is False:
            raise Refusal("taskNotFound", "No task.", status=404)
        return super()._details(task, now)


def elsewhere(here):
    """Go to another machine, with a disk of its own; gives the one that was left."""
    left = here.process
    here.process = Process(here, Volume(here.volume.clock, here.loop.time), here.key, window=here.window)
    return left


def rotate(here):
    """Go on with the account's next key."""
    here.simulator.key = "next"
    here.restart(key="next")


def at_once(*purchases):
    """Run purchases of several processes, each after a number of seconds; give how they ended."""

    async def after(seconds, press):
        await asyncio.sleep(seconds)
        return await press()

    async def together():
        return [each.end for each in await asyncio.gather(*(after(*each) for each in purchases))]

    return together()


def pending(job):
    return {"taskType": "videoInference", "taskUUID": job.task["taskUUID"], "status": "processing"}


class RefusedEarly(Told):
    """Shows the first result after a minute, and then refuses the account until a quarter of an hour has passed."""

    def said(self, job, now):
        since = now - job.at
        if 62.0 < since < 900.0:
            raise Refusal("insufficientCredits", "No credits.", status=402)
        return Answer([job._success(job.films[0], now), *[pending(job)] * 2]) if 60.0 <= since <= 62.0 else None
