"""A film file: what is in it, its frames, its sound, a copy that carries the workflow. Needs av and numpy, no torch.

info.py      FilmInfo: size, rate, length, and what is refused before anything is decoded
decode.py    no more of the film decoded than the wanted frames need
frames.py    float32 frames, the last frame
memory.py    whether they fit, asked by one at a time
sound.py     float32 samples, or silence
packets.py   the compressed packets: copied with metadata, or hashed
"""

from .frames import read_frames, read_frames_and_last, read_last_frame, select
from .info import FilmError, FilmInfo, probe
from .memory import ensure_memory, turn
from .packets import hash_film, remux
from .sound import read_audio

__all__ = [
    "FilmError",
    "FilmInfo",
    "ensure_memory",
    "hash_film",
    "probe",
    "read_audio",
    "read_frames",
    "read_frames_and_last",
    "read_last_frame",
    "remux",
    "select",
    "turn",
]
