"""Whatever records lie here, of whichever key: nothing is bought anew that is here or in doubt."""

from __future__ import annotations

from random import Random

import pytest
from kling.nodes.runware import attempts
from kling.nodes.runware.attempts import FAR
from kling.nodes.runware.record import ENDED_BADLY, TAKEN, UNCLEAR, UNSENT, Record, State

from world.orders import KINDS, order
from world.story import KEY, Story

JOURNALS = 400
PRESENT = order(KINDS[0], KEY)
ENDINGS = (*ENDED_BADLY, *TAKEN, *UNCLEAR, *UNSENT)


def _some_journal(chance, story, made_by):
    """Write what Run left of up to three attempts, and what was collected by its UUID alone; give what can be known."""
    journal, clock = story.process.journal, story.volume.clock()
    journal.open()
    known = []

    def write(name, state, number, **fields):
        record = Record(task_uuid=name, state=state, created_at=clock, last_sent_at=clock, **fields)
        journal.put(record)
        known.append((number, record))

    made = chance.randrange(4)
    for attempt in range(made):
        state = chance.choice(ENDINGS if attempt == made - 1 else (*ENDED_BADLY, *UNCLEAR))
        names = [made_by.uuid(each) for each in range(attempt)]
        write(made_by.uuid(attempt), state, attempt, attempt=attempt, earlier=names, intent=made_by.intent)
    if made and (made_by is not PRESENT or chance.random() < 0.8):
        journal.put_intent(PRESENT.intent, made_by.uuid(made - 1))
    for _ in range(chance.randrange(4)):
        attempt = chance.randrange(FAR + 1)
        if journal.get(PRESENT.uuid(attempt)) is None:
            write(PRESENT.uuid(attempt), chance.choice((State.FAILED, *TAKEN, *UNCLEAR)), attempt)
            if chance.random() < 0.1:
                journal.put_intent(PRESENT.intent, PRESENT.uuid(attempt))
    return known


@pytest.mark.parametrize("key", ["the same key", "the next key"])
def test_nothing_is_bought_anew_that_is_here_or_in_doubt(key):
    """The service shows nothing any more, so that the records alone decide."""
    anew = 0
    for seed in range(JOURNALS):
        story, chance = Story(), Random(seed)  # noqa: S311  no secret
        made_by = PRESENT if key == "the same key" else order(KINDS[0], "the-last-key-of-this-account")
        known = _some_journal(chance, story, made_by)
        purchase = story.process.purchase(PRESENT)
        chosen, _ = story.run(attempts.choose(purchase))
        told = [(attempt, record.state.value) for attempt, record in known]
        names = [*attempts.names_before(PRESENT, chosen), chosen.task_uuid]
        assert len(set(names)) == len(names), (seed, told)
        if chosen.state in UNSENT:
            purchase.record = chosen
            chosen = attempts._rather(purchase, chosen, at_last=True) or chosen  # the last look before a send
        if chosen.state in UNSENT:
            anew += 1
            taken = [attempt for attempt, record in known if record.state in TAKEN]
            doubt = [attempt for attempt, record in known if record.state in UNCLEAR]
            assert not [*taken, *doubt], (seed, told, chosen.attempt)
    assert 20 < anew < JOURNALS / 2
