"""The purchases of a ComfyUI at a terminal, while it runs or not; to be called from the pack's folder.

    python -m nodes.runware list                         what was bought, newest first, and what it cost
    python -m nodes.runware show <task UUID>             one purchase, with what the service said of it
    python -m nodes.runware collect <task UUID> [--to]   fetch its films; free, never buys
    python -m nodes.runware prune [--really]             make room without forgetting what was paid

`--folder PATH` before the command names the state folder of another ComfyUI; `--rehearsals` means what cost nothing.
Nothing here spends. `list` and `show` change nothing and ask nobody; only `collect` needs the network and the key.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import json
import math
import os
import re
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import prune, settings
from .errors import KlingError, MissingKeyError, StorageError
from .files import write_whole
from .journal import UUID_PATTERN, Journal
from .kept import are_here
from .ledger import Ledger
from .price import usd
from .record import Record
from .wire import WIRE, Account

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DAY = 86_400
PROMPT_SHOWN = 48
"""Characters of a prompt in the list."""
LOOK = 0.2
"""Seconds between two looks at a purchase that is being collected."""
PRUNE_DAYS = 30.0
UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What commands a terminal, or turns the writing round: a prompt can come from anybody's workflow."""


def main(words: Sequence[str] | None = None) -> int:
    """Obey one command. Gives the process's exit code: 0 done, 1 refused or failed (with a sentence), 2 misspelt."""
    given = _parser().parse_args(words)
    try:
        given.command(given, _journal(given))
    except KlingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. What was bought can be collected later.\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nodes.runware", description="What the Kling nodes bought.")
    parser.add_argument("--folder", type=Path, help="the state folder (default: user/__kling of this pack's ComfyUI)")
    parser.add_argument("--rehearsals", action="store_true", help="rehearsals instead of purchases")
    commands = parser.add_subparsers(required=True, metavar="list | show | collect | prune")

    def add(command: Callable[[argparse.Namespace, Journal], None], help_text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(command.__name__.strip("_"), help=help_text, description=help_text)
        made.set_defaults(command=command)
        return made

    listing = add(_list, "what was bought, newest first, and what it cost")
    listing.add_argument("-n", type=int, default=20, dest="most", metavar="N", help="purchases to list (20)")
    listing.add_argument("--json", action="store_true", help="a record per line")
    showing = add(_show, "one purchase, as it is recorded")
    showing.add_argument("task_uuid", type=_uuid)
    collecting = add(_collect, "fetch the films of a purchase; free, never buys")
    collecting.add_argument("task_uuid", type=_uuid)
    collecting.add_argument("--to", type=Path, metavar="FOLDER", help="copy the films into this folder")
    pruning = add(_prune, "remove old kept films, and records of what was never billed; every paid record stays")
    pruning.add_argument("--older-than", type=_days, default=PRUNE_DAYS, metavar="DAYS", help="(30)")
    pruning.add_argument("--really", action="store_true", help="do it; without, only say what would go")
    return parser


def _uuid(text: str) -> str:
    if not UUID_PATTERN.fullmatch(text.strip().lower()):
        raise argparse.ArgumentTypeError("a task UUID has the form 01234567-89ab-4cde-8f01-23456789abcd")
    return text.strip().lower()


def _days(text: str) -> float:
    days = float(text)
    if not (math.isfinite(days) and days >= 0):
        raise argparse.ArgumentTypeError("a number of days is 0 or more")
    return days


def _journal(given: argparse.Namespace) -> Journal:
    """Open the journal of the state folder. Raises StorageError where there is none."""
    given.state = given.folder or _pack().parents[1] / "user" / settings.STATE_FOLDER_NAME
    if not given.state.is_dir():
        raise StorageError(
            f"There is no folder {given.state}.",
            next_step="Name your ComfyUI's user/__kling first: python -m nodes.runware --folder PATH list.",
        )
    return WIRE.journal(_account(given, key=""))


def _pack() -> Path:
    """Give <ComfyUI>/custom_nodes/<pack> by the name it was entered by.

    A pack is often linked into its place, and Python knows the working folder without its links.
    """
    real, entered = Path(__file__).absolute().parents[2], Path(os.environ.get("PWD", ""))
    return entered if entered.is_absolute() and entered.is_dir() and entered.samefile(real) else real


def _account(given: argparse.Namespace, *, key: str) -> Account:
    return Account(given.state, key, settings.read(), rehearsal=given.rehearsals)


def _list(given: argparse.Namespace, journal: Journal) -> None:
    page = Ledger(journal).part(slice(max(0, given.most)))
    for record in page.records:
        _say(record.model_dump_json(exclude_none=True) if given.json else _line(record, journal.clock()))
    if given.json:
        return
    more = f" ({len(page.records)} shown)" if len(page.records) < page.total else ""
    waiting = f", {page.waiting} still to come" if page.waiting else ""
    what, sums = "purchase", f"Today {usd(page.today)}, this month {usd(page.month)}."
    if given.rehearsals:
        what, sums = "rehearsal", "They cost nothing; the prices are those of a purchase."
    _say(f"{_counted(page.total, what)}{more}{waiting}. {sums}")
    if page.unreadable:
        _say(f"{_counted(page.unreadable, 'record')} cannot be read; those purchases can be collected by their UUID.")


def _line(record: Record, now: float) -> str:
    prompt = " ".join(str(record.request.get("positivePrompt") or "").split())
    shown = prompt if len(prompt) <= PROMPT_SHOWN else f"{prompt[: PROMPT_SHOWN - 3]}..."
    length = f"{record.number_results} x {record.seconds or '?'} s"
    age = _age(now - record.created_at)
    return f"{record.task_uuid}  {age:>5}  {record.state.value:9}  {_cost(record):>8}  {length:9}  {shown}"


def _cost(record: Record) -> str:
    if record.spent is None:
        return "unknown"
    return f"{'' if record.is_billed_whole or not record.spent else '~'}{usd(record.spent)}"


def _age(seconds: float) -> str:
    for unit, length in (("d", DAY), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{max(0.0, seconds):.0f}s"


def _show(given: argparse.Namespace, journal: Journal) -> None:
    record = _known(journal, given.task_uuid)
    about: dict[str, Any] = record.model_dump(mode="json", exclude_none=True)
    for name, value in about.items():
        about[name] = _moment(value) if name.endswith("_at") and value else value
    about["billed"] = 0.0 if given.rehearsals else record.billed
    about["films_here"] = [
        str(journal.films / film.file) for film in record.films if film.file and (journal.films / film.file).is_file()
    ]
    _say(json.dumps(about, indent=2, ensure_ascii=False))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _known(journal: Journal, task_uuid: str) -> Record:
    record = Ledger(journal).record(task_uuid)
    if record is not None:
        return record
    raise StorageError(
        "This ComfyUI has no readable record of that purchase.",
        task_uuid=task_uuid,
        next_step="If it was bought elsewhere with your key: python -m nodes.runware collect <task UUID>. "
        "If it was rehearsed: python -m nodes.runware --rehearsals show <task UUID>.",
    )


def _collect(given: argparse.Namespace, journal: Journal) -> None:
    ticket = WIRE.collect(_account(given, key=_key(given, journal)), given.task_uuid)
    said = ""
    try:
        while not ticket.done:
            if ticket.status.words != said:
                said = ticket.status.words
                sys.stderr.write(f"{said}\n")
            time.sleep(LOOK)
        record = ticket.result()
    finally:
        ticket.release()
    for film in record.films:
        source = journal.films / str(film.file)
        _say(str(_copy(journal, source, given.to) if given.to else source))
    for film in record.gone:
        sys.stderr.write(f"Film {film.video_uuid} could not be fetched; collect again to ask for it again, for free.\n")


def _key(given: argparse.Namespace, journal: Journal) -> str:
    """Find the key; a purchase whose films are here needs none."""
    if given.rehearsals:
        return ""
    try:
        return settings.api_key(given.state)
    except MissingKeyError:
        record = journal.get(given.task_uuid)
        if record is None or not are_here(journal, record):
            raise
    return ""


def _copy(journal: Journal, source: Path, folder: Path) -> Path:
    """Copy a film, whole or not at all; one that was copied before stays. Raises StorageError."""
    target = folder / source.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
            with source.open("rb") as film:
                write_whole(journal.disk, target, iter(lambda: film.read(2**20), b""))
    except OSError as error:
        raise StorageError(
            f"The film cannot be copied to {folder} ({error.strerror or type(error).__name__}).",
            billing="What was paid for is safe in the state folder.",
            next_step=f"It lies at {source}.",
        ) from None
    return target


def _prune(given: argparse.Namespace, journal: Journal) -> None:
    """Make room. A paid purchase's record stays for ever: it is what keeps its graph from buying it again."""
    before = journal.clock() - given.older_than * DAY
    old = [record for record in Ledger(journal).part(slice(None)).records if record.updated_at < before]
    if given.really:
        with contextlib.suppress(OSError):  # a folder that cannot be listed: what is left half written stays
            journal.tidy()
    gone = [
        prune.remove(journal, record.task_uuid, before) if given.really else prune.removable(journal, record)
        for record in old
    ]
    kept = [size for each in gone for size in each.films]
    verb = "Removed" if given.really else "Would remove"
    films, records = _counted(len(kept), "kept film"), _counted(sum(each.record for each in gone), "record")
    _say(f"{verb} {films} ({sum(kept) / 2**20:.1f} MiB) and {records} of what was never billed, older than "
         f"{given.older_than:g} days.")  # fmt: skip
    _say("Films that lie nowhere else stay, and so does what KlingFetchVideo wrote to the output folder.")
    _say("A film removed here is fetched again when its graph runs, as long as the service has it;")
    _say("afterwards only a new take, newly paid, makes another.")
    if not given.really:
        _say("Nothing was removed. To do it: add --really.")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _say(text: str) -> None:
    text = UNSEEN.sub(lambda letter: f"\\u{ord(letter[0]):04x}", text)  # as JSON writes it
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")


if __name__ == "__main__":
    sys.exit(main())
