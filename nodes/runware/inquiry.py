"""Free questions about tasks: what the service's state and its archive show, and how old their answers are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import tell
from .client import Uncertain
from .deadline import Late, within
from .errors import NotSent
from .record import State
from .results import film_name
from .verdict import PASSING, REFUSED_SENDS, Sighting, key_refused, look

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from .response import Answer
    from .task import Purchase


Moment = tuple[float, float]
"""The loop's clock, which stands still while the machine sleeps, and the journal's, which can be set."""
NEVER: Moment = float("-inf"), float("-inf")


class Inquiry:
    """What one purchase asks the service. Nothing here spends, sends or writes anything down."""

    def __init__(self, purchase: Purchase) -> None:
        self._purchase = purchase
        self._client, self._journal, self._timing = purchase.client, purchase.journal, purchase.timing
        self.clean_at = NEVER
        """When the last clear answer was asked for."""

    async def ask(self, task_uuid: str) -> Sighting | None:
        """Ask for the state; None when no answer came. Raises AuthenticationError when the key is refused."""
        try:
            answer = await self._client.ask(task_uuid)
        except (NotSent, Uncertain):
            return None
        sighting = look(answer, task_uuid)
        refused = None if sighting.proves else key_refused(answer, task_uuid)
        if refused is not None:
            record = getattr(self._purchase, "record", None) or self._journal.get(task_uuid)
            raise tell.key_refused(refused, answer.status, record)
        return sighting

    async def ask_or_stop(self, task_uuid: str) -> Sighting:
        """Ask before anything is spent; without a clear answer nothing is.

        An answer is as old as its question: it can be long on its way.
        """
        asked = self.now()

        async def ask(task_uuid: str) -> Sighting | None:
            nonlocal asked
            asked = self.now()
            return await self.ask(task_uuid)

        sighting = await _patiently(ask, task_uuid)
        if sighting is None or not (sighting.proves or sighting.denies):
            raise tell.unreachable("the service gave no clear answer", self._purchase.status.task_uuid or task_uuid)
        self.clean_at = asked
        return sighting

    async def archived_or_unclear(self, task_uuid: str) -> Sighting:
        """Ask the archive before anything is spent.

        It is the second witness: where it is unclear, the first one's word stands; out of reach, it stops the purchase.
        """
        sighting = await _patiently(self.archived, task_uuid)
        if sighting is None:
            raise tell.unreachable("its archive of tasks gave no answer", self._purchase.status.task_uuid or task_uuid)
        return sighting

    async def seen(self, task_uuid: str) -> Sighting:
        """Ask for the state, and the archive where that shows no result.

        Of what has failed the archive may keep that it was accepted once: only its results count then.
        """
        return await self._surely(task_uuid, self._seen)

    async def seen_at_once(self, task_uuid: str) -> Sighting:
        """Ask for the state and in the archive at the same time: no answer grows old for the other.

        An archive that is slow, out of reach or unclear is asked twice and not waited for: the state alone, asked for
        twice, is the answer then.
        """
        return await self._surely(task_uuid, self._seen_at_once)

    async def _surely(self, task_uuid: str, see: Callable[[str], Awaitable[Sighting]]) -> Sighting:
        """Ask up to three times about what is called failed and did not fail here: another machine may have it running.

        One word that something has failed may be taken back.
        """
        for wait in (1.0, 2.0):
            sighting = await see(task_uuid)
            if not self._is_called_failed(task_uuid, sighting):
                return sighting
            await asyncio.sleep(wait)
        return await see(task_uuid)

    def _is_called_failed(self, task_uuid: str, sighting: Sighting) -> bool:
        if all(failure.category in REFUSED_SENDS - {"unknown"} for failure in sighting.failures):
            return False  # the archive may say so of what was only sent
        record = self._journal.get(task_uuid)
        return not (sighting.successes or sighting.pending) and (record is None or record.state is not State.FAILED)

    async def _seen(self, task_uuid: str) -> Sighting:
        sighting = await self.ask_or_stop(task_uuid)
        if sighting.successes or sighting.pending:
            return sighting
        return await self._weighed(task_uuid, sighting, await self.archived_or_unclear(task_uuid))

    async def _seen_at_once(self, task_uuid: str) -> Sighting:
        archive, began = asyncio.ensure_future(self._archived_soon(task_uuid)), self.now()
        try:
            sighting = await self.ask_or_stop(task_uuid)
            archived = await archive if self.since(began) <= self._timing.look else None  # else it has grown old
            if archived is None or not archived.is_clear:
                archived = await self._archived_soon(task_uuid)
            return await self._weighed(task_uuid, sighting, archived)
        finally:
            archive.cancel()

    async def _archived_soon(self, task_uuid: str) -> Sighting | None:
        with suppress(Late):
            return await within(self._timing.look, self.archived(task_uuid))
        return None

    async def _weighed(self, task_uuid: str, sighting: Sighting, archived: Sighting | None) -> Sighting:
        """Choose between the state and the archive's answer; where that says nothing, the state is asked for again."""
        if sighting.successes or sighting.pending:
            return sighting
        if archived is None or not archived.is_clear:
            return await self.ask_or_stop(task_uuid)
        record = self._journal.get(task_uuid)
        has_failed = sighting.failures or (record is not None and record.state is State.FAILED)
        if archived.successes or (not has_failed and (archived.proves or archived.conflict)):
            return archived
        return sighting

    async def shown_among(self, task_uuids: list[str]) -> list[str]:
        """Ask about several in one request, for a moment: which seem to be results, finished or to come.

        The archive is not asked by a service that is slow, out of reach or busy.
        """
        shown: set[str] = set()
        for question in (self._client.ask, self._client.details):
            answer = await self._answered_soon(question, task_uuids)
            if answer is None:
                break
            shown.update(each for each in task_uuids if look(answer, each).is_taken)
            if answer.status in PASSING:
                break
        return [each for each in task_uuids if each in shown]

    async def _answered_soon(
        self, question: Callable[..., Coroutine[Any, Any, Answer]], task_uuids: list[str]
    ) -> Answer | None:
        """Ask, and once more where no answer came: the machine may have slept."""
        for _ in range(2):
            with suppress(NotSent, Uncertain, Late):
                return await within(self._timing.question, question(*task_uuids))
        return None

    def now(self) -> Moment:
        """Tell the time, to ask `since` later how long ago it was."""
        return asyncio.get_running_loop().time(), self._journal.clock()

    def since(self, then: Moment) -> float:
        """Seconds since a moment, by the clock that says more: so an answer ages in a sleep, too."""
        return max(now - before for now, before in zip(self.now(), then, strict=True))

    @property
    def just_asked(self) -> bool:
        """Whether a clear answer is young enough to send by it."""
        return self.since(self.clean_at) <= self._timing.fresh

    def age_answers(self, moment: Moment = NEVER) -> None:
        """Take what is known for no younger than `moment`; by default everything is asked anew."""
        self.clean_at = moment

    async def archived(self, task_uuid: str) -> Sighting | None:
        """Ask the archive. It keeps the last answer to a UUID: after a refused copy the refusal, not the render."""
        try:
            return look(await self._client.details(task_uuid), task_uuid)
        except (NotSent, Uncertain):
            return None

    async def witness(self) -> Sighting | None:
        """Ask for every result there is, the archive too where fewer than ordered are shown; None when none answers."""
        sighting = await self.ask(self._purchase.record.task_uuid)
        if sighting is not None and len(sighting.successes) >= self._purchase.record.number_results:
            return sighting
        archived = await self.archived(self._purchase.record.task_uuid)
        if sighting is None or archived is None:
            return sighting or archived
        named = {film_name(row): row for row in (*archived.successes, *sighting.successes)}
        return replace(sighting, successes=list(named.values()))


async def _patiently(ask: Callable[[str], Awaitable[Sighting | None]], task_uuid: str) -> Sighting | None:
    """Ask up to three times for a clear answer; give the last one, whatever it is."""
    for wait in (1.0, 2.0):
        sighting = await ask(task_uuid)
        if sighting is not None and sighting.is_clear:
            return sighting
        await asyncio.sleep(wait)
    return await ask(task_uuid)
