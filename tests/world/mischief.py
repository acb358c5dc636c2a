"""What users and fate do to a world, between two presses of Run or during one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from .disk import Volume
    from .world import World

HOURS = 7_200.0


def move_the_clock(world: World, _volume: Volume, chance: Random) -> None:
    """Set the machine's clock; nothing may hang on it alone."""
    world.suffered.add("clock")
    world.skew += chance.choice((HOURS, -HOURS, chance.uniform(-40, 40)))


def rotate_the_key(world: World, _volume: Volume, chance: Random) -> None:
    """Make a new key for the account; the old one is refused from now on."""
    world.key = f"{world.key[:12]}-{chance.getrandbits(64):016x}"
    world.keys.append(world.key)
    world.simulator.key = world.key
    world.suffered.add("key")
    for process in world.processes:
        if chance.random() < 0.7:
            process.end()


def damage_films(world: World, volume: Volume, chance: Random) -> None:
    """Delete films, or change a byte of them."""
    world.suffered.add("films")
    for path in volume.below("films"):
        data = bytes(volume.names[path].data)
        volume.drop(path)
        if data and chance.random() < 0.5:
            place = chance.randrange(len(data))
            volume.put(path, data[:place] + bytes([data[place] ^ chance.randrange(1, 256)]) + data[place + 1 :])
            world.meddled.append(volume.names[path])


def tear_records(world: World, volume: Volume, chance: Random) -> None:
    """Leave of each file in the journal a part, nothing, or rubbish."""
    world.suffered.add("journal")
    for path in volume.below("tasks"):
        data = bytes(volume.names[path].data)
        volume.put(path, chance.choice((data[: chance.randrange(len(data) + 1)], b"", b"{}", b"\xff" * 40)))


def delete_records(world: World, volume: Volume, _chance: Random) -> None:
    """Delete what was recorded of every purchase."""
    for path in volume.below("tasks"):
        volume.drop(path)
    _note_loss(world, volume)


def delete_the_index(world: World, volume: Volume, _chance: Random) -> None:
    """Delete what leads from an intent to its newest attempt."""
    for path in volume.below("intents"):
        volume.drop(path)
    _note_loss(world, volume)


def delete_the_journal(world: World, volume: Volume, chance: Random) -> None:
    """Delete both."""
    delete_records(world, volume, chance)
    delete_the_index(world, volume, chance)


def _note_loss(world: World, volume: Volume) -> None:
    world.suffered.add("journal")
    if not volume.below("tasks") and not volume.below("intents"):
        world.suffered.add("whole journal")


DEEDS = (
    move_the_clock, move_the_clock, rotate_the_key, damage_films, tear_records, delete_records, delete_the_index,
    delete_the_journal,
)  # fmt: skip
