"""The purchases at a terminal, in a process of its own, as a user calls it."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kling.nodes.runware import __main__ as cli
from kling.nodes.runware import files, settings
from kling.nodes.runware.client import Client
from kling.nodes.runware.journal import Journal, lock_place
from kling.nodes.runware.ledger import Ledger
from kling.nodes.runware.record import Film, Record, State
from kling.nodes.runware.simulator import Simulator
from kling.nodes.runware.task import Purchase

from world.orders import KINDS, order

PACK = Path(__file__).resolve().parents[2]
KEY = "a-key-of-ours-0123456789"
UUID = "00000000-0000-4000-8000-00000000000{}"
DAY = 86_400


@pytest.fixture
def state(tmp_path):
    return tmp_path / "user" / settings.STATE_FOLDER_NAME


@pytest.fixture
def journal(state):
    journal = Journal(state, clock=time.time)
    journal.open()
    yield journal
    close(journal)


def close(journal):
    """Close its lock file, as the end of a process does."""
    for file in journal.disk._lock_files.values():
        file.close()


@pytest.fixture
def command(state):
    def run(*words, folder=state, **environ):
        clean = {name: text for name, text in os.environ.items() if not name.startswith(("RUNWARE_", "KLING_"))}
        place = ["--folder", str(folder)] if folder else []
        return subprocess.run(
            [sys.executable, "-m", "nodes.runware", *place, *words],
            cwd=PACK,
            env={**clean, **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def put(journal, number, *, days=0.0, film=b"", delivered=True, **about):
    """Record a purchase of some days ago."""
    record = Record(
        task_uuid=UUID.format(number),
        intent=f"{number:064x}",
        created_at=time.time() - days * DAY,
        last_sent_at=time.time() - days * DAY,
        seconds=5,
        **{"state": State.COMMITTED, "price": "0.42", "request": {"positivePrompt": "a red fox\nin snow"}, **about},
    )
    if film:
        record.films.append(Film(video_uuid=record.task_uuid, cost=0.42, file=f"{number}.mp4", size=len(film)))
        (journal.films / f"{number}.mp4").write_bytes(film)
        if delivered:
            output = journal.folder.parent.parent / f"{number}.mp4"
            output.write_bytes(film)
            sha256 = hashlib.sha256(film).hexdigest()
            entry = {"path": str(output), "size": len(film), "sha256": sha256, "video_uuid": record.task_uuid}
            record.deliveries["a prefix"] = entry
    journal.put_intent(record.intent, record.task_uuid)
    journal.clock = lambda: time.time() - days * DAY
    journal.put(record)
    os.utime(journal.path(record.task_uuid), (record.created_at, record.created_at))
    return record


def contents(folder):
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_list_tells_each_purchase_in_a_line_and_the_sums(journal, command):
    put(journal, 1, days=2)
    put(journal, 2, film=b"film")
    put(journal, 3, days=1, state=State.REJECTED)
    done = command("list")
    lines = done.stdout.splitlines()
    assert [line[:36] for line in lines[:3]] == [UUID.format(number) for number in (2, 3, 1)]
    assert re.search(r" \d+s  committed +\$0\.42  1 x 5 s +a red fox in snow$", lines[0])
    assert re.search(r" 1d  rejected +\$0\.00 ", lines[1])
    assert re.search(r" 2d  committed +~\$0\.42 ", lines[2])
    assert lines[3].startswith("3 purchases. Today $0.42, this month ")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_record_whose_price_is_no_number_is_listed_with_an_unknown_cost(command, journal):
    put(journal, 1)
    path = journal.path(UUID.format(1))
    path.write_text(path.read_text().replace('"price":"0.42"', '"price":"forty-two cents"'))
    shown = command("list")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "  unknown  " in shown.stdout


def test_the_list_can_be_shortened_and_read_by_a_program(journal, command):
    for number in range(1, 5):
        put(journal, number, days=number)
    assert "4 purchases (2 shown)" in command("list", "-n", "2").stdout
    rows = [json.loads(line) for line in command("list", "--json").stdout.splitlines()]
    assert [row["task_uuid"] for row in rows] == [UUID.format(number) for number in (1, 2, 3, 4)]


def test_a_prompt_commands_no_terminal(journal, command):
    """It may come from anybody's workflow."""
    prompt = "a \x1b]0;title\x07fox\x7f \x9b2J\u202e\u2066 \U0001f98a in snow"
    record = put(journal, 1, request={"positivePrompt": prompt})
    listed, shown = command("list"), command("show", record.task_uuid)
    dumped = command("list", "--json")
    for done in (listed, shown, dumped):
        assert not set(done.stdout) & set("\x1b\x07\x7f\x9b\u202e\u2066")
        assert "\U0001f98a in snow" in done.stdout
    assert json.loads(shown.stdout)["request"] == json.loads(dumped.stdout)["request"] == {"positivePrompt": prompt}


def test_a_rehearsal_is_told_to_have_cost_nothing(state, command):
    rehearsals = Journal(state / "rehearsal", clock=time.time)
    rehearsals.open()
    put(rehearsals, 1, film=b"film")
    assert command("list").stdout == "0 purchases. Today $0.00, this month $0.00.\n"
    listed = command("--rehearsals", "list").stdout.splitlines()
    assert listed[-1] == "1 rehearsal. They cost nothing; the prices are those of a purchase."
    assert json.loads(command("--rehearsals", "show", UUID.format(1)).stdout)["billed"] == 0
    assert "--rehearsals show" in command("show", UUID.format(1)).stderr
    close(rehearsals)


def test_one_purchase_is_shown_as_it_is_recorded(journal, state, command):
    put(journal, 1, film=b"film")
    shown = json.loads(command("show", UUID.format(1)).stdout)
    assert (shown["state"], shown["billed"]) == ("committed", 0.42)
    assert shown["films_here"] == [str(state / "films" / "1.mp4")]
    assert re.match(r"20\d\d-\d\d-\d\dT", shown["created_at"])


def test_one_purchase_is_shown_without_a_look_at_another(journal, monkeypatch, capsys):
    for number in (1, 2, 3):
        put(journal, number)
    touched = []
    read = journal.disk.read
    monkeypatch.setattr(journal.disk, "read", lambda path: touched.append(Path(path).stem) or read(path))
    monkeypatch.setattr(journal.disk, "listing", lambda folder: pytest.fail(f"lists {folder}"))
    cli._show(argparse.Namespace(task_uuid=UUID.format(2), rehearsals=False), journal)
    assert json.loads(capsys.readouterr().out)["task_uuid"] == UUID.format(2)
    assert touched == [UUID.format(2)]


def test_the_list_looks_through_the_folder_once(journal, monkeypatch, capsys):
    for number in (1, 2, 3):
        put(journal, number)
    looks = []
    listing = journal.disk.listing
    monkeypatch.setattr(journal.disk, "listing", lambda folder: looks.append(folder) or listing(folder))
    cli._list(argparse.Namespace(most=5, json=False, rehearsals=False), journal)
    assert "3 purchases. Today" in capsys.readouterr().out
    assert looks == [journal.tasks]


def test_looking_changes_nothing_not_even_a_torn_record(journal, state, command):
    put(journal, 1)
    journal.path(UUID.format(2)).write_bytes(b'{"task_uuid": "0000')
    before = contents(state)
    assert "1 record cannot be read" in command("list").stdout
    refused = command("show", UUID.format(2))
    assert refused.returncode == 1
    assert "no readable record" in refused.stderr
    assert contents(state) == before


@pytest.mark.parametrize(
    "words", [["list"], ["prune"], ["show", UUID.format(1)], ["collect", UUID.format(1)]], ids=" ".join
)
def test_a_folder_that_is_not_there_is_said_and_not_made(tmp_path, command, words):
    done = command(*words, folder=tmp_path / "nowhere")
    assert done.returncode == 1
    assert "--folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("text", ["", "film", "../../etc/passwd", UUID.format("1") + "0", "-1"])
def test_what_is_no_uuid_is_refused(journal, command, text):
    done = command("show", "--", text)
    assert done.returncode == 2
    assert "a task UUID has the form" in done.stderr


@pytest.mark.parametrize("text", ["-5", "nan", "inf", "a week"])
def test_what_is_no_number_of_days_is_refused(journal, command, text):
    put(journal, 1, days=40, film=b"film")
    done = command("prune", "--really", f"--older-than={text}")
    assert (done.returncode, done.stdout) == (2, "")
    assert (journal.films / "1.mp4").exists()


def test_collecting_needs_the_key_unless_the_films_are_here(journal, state, command, tmp_path):
    put(journal, 1, state=State.ACCEPTED)
    refused = command("collect", UUID.format(1))
    assert refused.returncode == 1
    assert "RUNWARE_API_KEY" in refused.stderr
    assert "Not billed" not in refused.stderr
    film = b"a film that is here"
    record = put(journal, 2, film=film)
    record.films[0].sha256 = hashlib.sha256(film).hexdigest()
    journal.put(record)
    done = command("collect", UUID.format(2), "--to", str(tmp_path / "out"))
    assert done.stdout.strip() == str(tmp_path / "out" / "2.mp4")
    assert (tmp_path / "out" / "2.mp4").read_bytes() == film
    again = command("collect", UUID.format(2), "--to", str(tmp_path / "out"))
    assert (again.returncode, len(list((tmp_path / "out").iterdir()))) == (0, 1)


def test_collecting_names_a_film_that_is_missing_among_those_that_are_here(journal, command):
    film = b"a film that is here"
    record = put(journal, 1, film=film, number_results=2)
    record.films[0].sha256 = hashlib.sha256(film).hexdigest()
    record.gone.append(Film(video_uuid=UUID.format(8)))
    journal.put(record)
    done = command("collect", UUID.format(1))
    assert done.stdout.splitlines() == [str(journal.films / "1.mp4")]
    assert f"Film {UUID.format(8)} could not be fetched; collect again" in done.stderr


def test_collecting_takes_no_other_file_of_the_same_length_for_the_copy(journal, command, tmp_path):
    film = b"a film that is here"
    record = put(journal, 1, film=film)
    record.films[0].sha256 = hashlib.sha256(film).hexdigest()
    journal.put(record)
    (tmp_path / "1.mp4").write_bytes(bytes(len(film)))
    assert command("collect", UUID.format(1), "--to", str(tmp_path)).returncode == 0
    assert (tmp_path / "1.mp4").read_bytes() == film


def test_a_film_bought_elsewhere_is_collected_and_the_key_is_said_nowhere(state, command, tmp_path):
    """Another machine buys; this one knows the UUID and has the key."""
    simulator = Simulator(key=KEY, latency=0.1, now=time.monotonic, threads=True)
    there = Journal(tmp_path / "there", clock=time.time)
    wanted = order(KINDS[0], KEY, 1)
    with simulator.serve("127.0.0.1", 0) as served:

        async def buy():
            client = Client(KEY, base_url=served.base_url)
            try:
                return await Purchase(
                    wanted, client=client, journal=there, settings=settings.Settings(), places=asyncio.Semaphore(1)
                ).run()
            finally:
                await client.close()

        record = asyncio.run(buy())
        close(there)
        Journal(state, clock=time.time).open()
        environ = {"RUNWARE_API_KEY": KEY, "RUNWARE_BASE_URL": served.base_url}
        done = command("collect", record.task_uuid, "--to", str(tmp_path / "out"), **environ)
        unknown = command("collect", UUID.format(9), **environ)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == (there.films / str(record.films[0].file)).read_bytes()
    assert unknown.returncode == 1
    assert UUID.format(9) in unknown.stderr
    assert simulator.billed(record.task_uuid) == 1
    said = done.stdout + done.stderr + unknown.stdout + unknown.stderr
    assert KEY not in said + "".join(map(str, contents(state).values()))


def test_pruning_makes_room_and_keeps_every_paid_record(journal, state, command):
    put(journal, 1, days=40, film=b"x" * 2**20)
    put(journal, 2, days=40, state=State.REJECTED)
    put(journal, 3, days=40, state=State.ACCEPTED)
    put(journal, 4, days=3, film=b"young")
    put(journal, 5, days=3, state=State.REJECTED)
    before = contents(state)
    told = command("prune")
    assert told.stdout.startswith("Would remove 1 kept film (1.0 MiB) and 1 record of what was never billed")
    assert contents(state) == before
    done = command("prune", "--really")
    assert done.stdout.startswith("Removed 1 kept film (1.0 MiB) and 1 record")
    assert sorted(journal.uuids()) == [UUID.format(number) for number in (1, 3, 4, 5)]
    assert [path.name for path in journal.films.iterdir()] == ["4.mp4"]


@pytest.mark.parametrize(
    "lost", ["never delivered", "deleted", "cut", "zeros", "link", "hard link", "its hash not noted"]
)
def test_pruning_never_removes_the_only_copy_of_a_paid_film(journal, command, lost):
    record = put(journal, 1, days=40, film=b"paid for", delivered=lost != "never delivered")
    kept = journal.films / "1.mp4"
    for entry in record.deliveries.values():
        path = Path(entry["path"])
        path.unlink()
        if lost in {"cut", "zeros"}:
            path.write_bytes(b"" if lost == "cut" else bytes(len(b"paid for")))
        elif lost == "link":
            path.symlink_to(kept)
        elif lost == "hard link":
            os.link(kept, path)
        elif lost == "its hash not noted":
            path.write_bytes(b"paid for")
            del entry["sha256"]
    journal.put(record)
    assert "Would remove 0 kept films" in command("prune").stdout
    assert "Removed 0 kept films" in command("prune", "--really").stdout
    assert kept.read_bytes() == b"paid for"


def test_pruning_removes_nothing_outside_of_the_state_folder(journal, command, tmp_path):
    record = put(journal, 1, days=40, film=b"film")
    record.films[0].file = str(tmp_path / "diary.mp4")
    (tmp_path / "diary.mp4").write_bytes(b"not ours")
    journal.put(record)
    command("prune", "--really")
    assert (tmp_path / "diary.mp4").read_bytes() == b"not ours"


def test_pruning_leaves_what_a_later_attempt_stands_on(journal, command):
    """Attempt 0 was refused and attempt 1 paid: without the first one's record, the second could not be found again."""
    refused = put(journal, 1, days=50, state=State.REJECTED)
    paid = put(journal, 2, days=40)
    journal.put_intent(refused.intent, paid.task_uuid)
    command("prune", "--really")
    assert journal.get(UUID.format(1)) is not None


def test_pruning_leaves_what_changed_since_it_was_listed(journal, monkeypatch):
    for number in (1, 2):
        put(journal, number, days=40, state=State.REJECTED)
    part = Ledger.part

    def slowly(ledger, which):
        listed = part(ledger, which)
        put(journal, 1, state=State.COMMITTED)
        put(journal, 2, state=State.HELD)
        return listed

    monkeypatch.setattr(Ledger, "part", slowly)
    journal.clock = time.time
    cli._prune(argparse.Namespace(older_than=30.0, really=True), journal)
    assert [journal.get(UUID.format(number)).state for number in (1, 2)] == [State.COMMITTED, State.HELD]


@pytest.mark.skipif(files.fcntl is None, reason="locks a byte range as another process on POSIX would")
def test_pruning_leaves_what_a_comfyui_is_at(journal, command):
    put(journal, 1, days=40, film=b"being read")
    assert journal.lock(lock_place(UUID.format(1)))
    command("prune", "--really")
    assert (journal.films / "1.mp4").exists()
    journal.unlock(lock_place(UUID.format(1)))


@pytest.mark.skipif(files.fcntl is None, reason="locks a byte range as another process on POSIX would")
def test_pruning_tells_what_it_removed_and_not_what_it_left(journal, command):
    put(journal, 1, days=40, film=b"being read")
    put(journal, 2, days=40, state=State.REJECTED)
    for number in (1, 2):
        assert journal.lock(lock_place(UUID.format(number)))
    assert "Would remove 1 kept film (0.0 MiB) and 1 record" in command("prune").stdout
    assert "Removed 0 kept films (0.0 MiB) and 0 records" in command("prune", "--really").stdout
    assert len(journal.uuids()) == 2


def test_a_folder_that_cannot_be_listed_holds_up_no_pruning(journal, command):
    put(journal, 1, days=40, film=b"paid for")
    journal.media.rmdir()
    journal.media.write_bytes(b"no folder")
    done = command("prune", "--really")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Removed 1 kept film")


def test_a_film_that_cannot_be_removed_is_not_told_as_removed_and_holds_up_no_other(journal, monkeypatch, capsys):
    """A player has it open, on Windows."""
    for number in (1, 2):
        put(journal, number, days=40, film=b"film")
    remove = journal.disk.remove

    def held(path):
        if path == journal.films / "1.mp4":
            raise PermissionError(13, "Permission denied")
        remove(path)

    monkeypatch.setattr(journal.disk, "remove", held)
    journal.clock = time.time
    cli._prune(argparse.Namespace(older_than=30.0, really=True), journal)
    assert "Removed 1 kept film " in capsys.readouterr().out
    assert [path.name for path in journal.films.iterdir()] == ["1.mp4"]


def test_the_folder_is_found_from_where_the_pack_is_installed(tmp_path):
    """<ComfyUI>/custom_nodes/<pack>, also when that is a link: Python sees only where it leads."""
    pack = tmp_path / "custom_nodes" / "kling"
    pack.parent.mkdir()
    pack.symlink_to(PACK, target_is_directory=True)
    journal = Journal(tmp_path / "user" / settings.STATE_FOLDER_NAME, clock=time.time)
    journal.open()
    put(journal, 1)
    words, environ = [sys.executable, "-m", "nodes.runware", "list"], {**os.environ, "PWD": str(pack)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=pack, env=environ)
    assert UUID.format(1) in done.stdout, done.stderr
