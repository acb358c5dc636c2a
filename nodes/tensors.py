"""IMAGE, AUDIO and VIDEO of the graph, from and to arrays and files. The only importer of torch.

IMAGE is float [batch, height, width, channels], 0 to 1, RGB. AUDIO is {"waveform": float [batch, channels, samples],
-1 to 1, "sample_rate": Hz}. VIDEO is ComfyUI's own object.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import wave
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from . import film
from .runware.errors import NOTHING_SENT, InputError, StorageError
from .runware.limits import ENCODED_PIXELS_MAX, ENCODED_SIDE_MAX
from .runware.media import Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAND_VALUES = 2**16
"""Values converted at a time: as floats they stay in a core's cache from one step to the next."""

BITS_OF_ONE = 0x3F800000
"""1.0 as a float32. Read as unsigned integers, all that is not from 0 to 1 (NaN, infinities, negatives) is greater."""

LOOKS_LIKE_BYTES = 2.0
"""A picture that reaches this is told apart from one of 0 to 255 by its mean."""

SAMPLE_RATES = (8_000, 192_000)
"""Hz."""

AUDIO_SECONDS_MOST = 30 * 60
CHANNELS_MOST = 8

IMAGE_AXES = 4
AUDIO_AXES = 3
COLOURS = 3


def one_picture(image: Any, *, node: str, field: str) -> NDArray[np.uint8]:
    """Give the one picture of an IMAGE as uint8 [height, width, 3], RGB; alpha is composited on black.

    Raises InputError, also for a batch of more than one: none is chosen silently.
    """
    batch = _batch(image, node=node, field=field)
    if len(batch) > 1:
        raise InputError(
            node=node,
            field=field,
            rule=f"it is a batch of {len(batch)} pictures, and one is wanted.",
            next_step="Choose one with ImageFromBatch.",
        )
    return _pixels(batch[0], node=node, field=field)


def pictures(image: Any, *, node: str, field: str, most: int) -> list[Callable[[], NDArray[np.uint8]]]:
    """Give for every picture of an IMAGE of at most `most` what makes it uint8 [height, width, 3]. Raises InputError.

    Not the pixels themselves: as bytes, too, a batch of large pictures need not be in memory as a whole.
    """
    batch = _batch(image, node=node, field=field)
    if len(batch) > most:
        raise InputError(
            node=node,
            field=field,
            rule=f"it is a batch of {len(batch)} pictures, and at most {most} are accepted.",
            next_step="Choose some with ImageFromBatch.",
        )
    return [partial(_pixels, picture, node=node, field=field) for picture in batch]


def to_image(frames: NDArray[np.float32]) -> torch.Tensor:
    """Hand float32 frames [frames, height, width, 3], 0 to 1, to the graph as an IMAGE, without a copy."""
    return torch.from_numpy(frames)


def to_audio(waveform: NDArray[np.float32], sample_rate: int) -> dict[str, Any]:
    """Hand float32 sound [channels, samples], -1 to 1, at `sample_rate` Hz to the graph as an AUDIO, without a copy."""
    return {"waveform": torch.from_numpy(waveform)[None], "sample_rate": sample_rate}


def save_audio(audio: Any, folder: Path, *, node: str, field: str) -> Clip:
    """Write an AUDIO into `folder` as a 16-bit WAV file named by its content, whole or not at all.

    Raises:
        InputError: it is no sound of a sane length and rate.
        StorageError: the folder cannot be written.
    """
    samples, rate = _sound(audio, node=node, field=field)
    digest = _hash_sound(samples, rate)
    path = folder / f"kling_{digest}.wav"
    if not path.exists():
        with _part(folder, ".wav") as part:
            with wave.open(str(part), "wb") as file:
                file.setnchannels(samples.shape[1])
                file.setsampwidth(2)
                file.setframerate(rate)
                file.writeframes(samples.data)
            part.replace(path)
    return Clip(path, digest, "audio", seconds=len(samples) / rate)


def save_video(video: Any, folder: Path, *, node: str, field: str) -> Clip:
    """Write a VIDEO into `folder` as an MP4 file named by its content, whole or not at all.

    Its packets are copied where they fit an MP4. The content is what an encoder was given, not what it made of it:
    another machine's encoder makes no other film.

    Raises:
        InputError: it cannot be read, or not be written as MP4.
        StorageError: the folder cannot be written.
    """
    import av
    from comfy_api.latest import Types

    if not hasattr(video, "save_to"):
        raise _unfit(node, field, "it is not a video.", "Connect a VIDEO, such as LoadVideo or CreateVideo give.")
    try:
        identity = _identity(video, node=node, field=field)
        path = folder / f"kling_{identity}.mp4"
        if not identity or not path.exists():
            with _part(folder, ".mp4") as part:
                video.save_to(str(part), format=Types.VideoContainer.MP4)
                _check_unchanged(video, identity, node=node, field=field)
                identity = identity or film.hash_film(part)
                path = part.replace(folder / f"kling_{identity}.mp4")
        info = film.probe(path)
    except InputError:
        raise
    except (av.FFmpegError, film.FilmError, ValueError, RuntimeError) as error:
        raise _unfit(
            node,
            field,
            f"this video cannot be read or written as MP4 ({error}).",
            "Load it again, or save it as H.264 MP4 with even width and height first.",
        ) from error
    return Clip(path, identity, "video", seconds=info.seconds, width=info.width, height=info.height)


@contextlib.contextmanager
def _part(folder: Path, suffix: str) -> Iterator[Path]:
    """Give a name for a file that is renamed once it is whole, and removed if it never is."""
    part = folder / f".kling_{secrets.token_hex(8)}{suffix}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield part
    except OSError as error:
        raise StorageError(
            f"What is to be uploaded cannot be written to {folder} ({error.strerror or error}).",
            billing=NOTHING_SENT,
            next_step="Free space there, or fix the folder's permissions.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _batch(image: Any, *, node: str, field: str) -> torch.Tensor:
    """Check that a value is an IMAGE with something in it, and give it as [batch, height, width, channels]."""
    if isinstance(image, np.ndarray):
        image = torch.from_numpy(image)
    if not isinstance(image, torch.Tensor) or image.ndim not in {IMAGE_AXES - 1, IMAGE_AXES}:
        raise _unfit(node, field, "it is not a picture of shape [batch, height, width, channels].")
    batch = image.detach() if image.ndim == IMAGE_AXES else image.detach()[None]
    shape = "x".join(str(length) for length in image.shape)
    if 0 in batch.shape:
        raise _unfit(node, field, f"it is empty ({shape}).")
    if batch.shape[3] not in {1, 3, 4}:
        hint = "Connect an ordinary IMAGE."
        if image.ndim == IMAGE_AXES - 1:
            hint = "If it is a mask, put MaskToImage between."
        elif batch.shape[1] in {1, 3, 4}:
            hint = "Its channels seem to come first; an IMAGE has them last."
        raise _unfit(node, field, f"it has {batch.shape[3]} channels ({shape}); 1, 3 or 4 are accepted.", hint)
    if batch.shape[1] * batch.shape[2] > ENCODED_PIXELS_MAX or max(batch.shape[1:3]) > ENCODED_SIDE_MAX:
        limits = f"{ENCODED_PIXELS_MAX} pixels, and {ENCODED_SIDE_MAX} a side, are accepted"
        raise _unfit(node, field, f"it is too large ({shape}); at most {limits}.", "Put ImageScale between.")
    return batch


def _pixels(picture: torch.Tensor, *, node: str, field: str) -> NDArray[np.uint8]:
    """Convert [height, width, channels] to uint8 RGB: rounded, not cut off; what lies outside 0 to 1 is clamped."""
    if picture.dtype == torch.uint8:
        values = picture.cpu().numpy()
    elif picture.dtype.is_floating_point:
        values = _round(picture.to("cpu", torch.float32).numpy(), node=node, field=field)
    else:
        raise _unfit(node, field, f"its values are {picture.dtype}, and floats from 0 to 1 are expected.")
    channels = values.shape[2]
    if channels == 1:
        return np.repeat(values, COLOURS, axis=2)
    if channels == COLOURS:
        return np.ascontiguousarray(values)
    alpha = values[..., COLOURS:].astype(np.uint16)
    return ((values[..., :COLOURS] * alpha + 127) // 255).astype(np.uint8)


def _round(values: NDArray[np.float32], *, node: str, field: str) -> NDArray[np.uint8]:
    """Scale to bytes in bands of rows, [height, width, channels], each read from memory once."""
    height, width, channels = values.shape
    rounded = np.empty(values.shape, np.uint8)
    rows = max(1, BAND_VALUES // (width * channels))
    scaled = np.empty((min(rows, height), width, channels), np.float32)
    is_beyond = False
    for top in range(0, height, rows):
        band = values[top : top + rows]
        part = scaled[: len(band)]
        np.multiply(band, 255, out=part)
        np.rint(part, out=part)
        if band.view(np.uint32).max() > BITS_OF_ONE:
            if not np.isfinite(band).all():
                raise _not_numbers(values, node, field)
            is_beyond = is_beyond or bool(band.max() > LOOKS_LIKE_BYTES)
            np.clip(part, 0, 255, out=part)
        rounded[top : top + rows] = part
    if is_beyond and float(np.clip(values, 0, None).mean()) > 1:
        rule = f"its values reach {values.max():.0f}, as if they were bytes; floats from 0 to 1 are expected."
        raise _unfit(node, field, rule, "Divide them by 255.")
    return rounded


def _not_numbers(values: NDArray[np.float32], node: str, field: str) -> InputError:
    wrong = np.argwhere(~np.isfinite(values))
    row, column = wrong[0][:2]
    return _unfit(
        node,
        field,
        f"{len(wrong)} of its values are not numbers (NaN or infinite), the first in row {row}, column {column}.",
        "The node that made it has failed; look there (often a VAE in half precision).",
    )


def _unfit(node: str, field: str, rule: str, next_step: str = "Connect an ordinary IMAGE.") -> InputError:
    return InputError(node=node, field=field, rule=rule, next_step=next_step)


def _sound(audio: Any, *, node: str, field: str) -> tuple[NDArray[np.int16], int]:
    """Check an AUDIO and give it as 16-bit [samples, channels], and its rate."""

    def refuse(rule: str) -> InputError:
        return _unfit(node, field, rule, "Connect an ordinary AUDIO, such as LoadAudio gives.")

    if not isinstance(audio, Mapping) or not isinstance(audio.get("waveform"), torch.Tensor):
        raise refuse("it is not audio.")
    waveform, rate = audio["waveform"].detach(), audio.get("sample_rate")
    if not isinstance(rate, int) or not SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
        raise refuse(f"its sample rate is {rate!r}; {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz are accepted.")
    if waveform.ndim != AUDIO_AXES or waveform.shape[0] != 1 or not 1 <= waveform.shape[1] <= CHANNELS_MOST:
        raise refuse(f"it has the shape {tuple(waveform.shape)}; one sound [1, channels, samples] is expected.")
    if not 0 < waveform.shape[2] <= AUDIO_SECONDS_MOST * rate:
        raise refuse(f"it lasts {waveform.shape[2] / rate:.1f} s; at most {AUDIO_SECONDS_MOST} s are accepted.")
    values = waveform[0].to("cpu", torch.float32).numpy().T
    if not np.isfinite(values).all():
        raise refuse("it holds values that are not numbers (NaN or infinite).")
    return np.ascontiguousarray(np.rint(np.clip(values, -1, 1) * 32767).astype("<i2")), rate


def _hash_sound(samples: NDArray[np.int16], rate: int) -> str:
    digest = hashlib.sha256(b"pcm16 %d %d\n" % (rate, samples.shape[1]))
    digest.update(samples.data)
    return digest.hexdigest()


def _identity(video: Any, *, node: str, field: str) -> str:
    """Hash a VIDEO before it is encoded; empty for one that only shows what it is when it is saved."""
    from comfy_api.latest import InputImpl

    if isinstance(video, InputImpl.VideoFromComponents):
        return _hash_components(video.get_components(), node=node, field=field)
    # What a graph did to a file (a trim, a crop) is not in the file: known by these methods, where the host has them.
    window = getattr(video, "get_active_trim_window", None)
    is_edited = getattr(video, "has_pending_frame_edits", bool)() or (window is None and hasattr(video, "as_trimmed"))
    if type(video) is not InputImpl.VideoFromFile or is_edited:
        return ""
    source = video.get_stream_source()
    identity = film.hash_film(Path(source) if isinstance(source, str) else source)
    trim = window() if window else (0.0, 0.0)
    return hashlib.sha256(f"{identity} {trim}".encode()).hexdigest() if any(trim) else identity


def _check_unchanged(video: Any, identity: str, *, node: str, field: str) -> None:
    """Refuse a file that was overwritten since it was hashed: what was saved would be bought, and kept, as another.

    Frames in the graph stay what they are. Raises InputError.
    """
    from comfy_api.latest import InputImpl

    is_file = identity and not isinstance(video, InputImpl.VideoFromComponents)
    if is_file and _identity(video, node=node, field=field) != identity:
        raise _unfit(node, field, "its file was changed while it was read.", "Run again.")


def _hash_components(components: Any, *, node: str, field: str) -> str:
    """Hash a VIDEO made of frames in the graph: uint8 pixels, rate, 16-bit samples."""
    shape = "x".join(str(length) for length in components.images.shape)
    digest = hashlib.sha256(f"frames {components.frame_rate} {shape}\n".encode())
    for picture in _batch(components.images, node=node, field=field):
        digest.update(_pixels(picture, node=node, field=field).data)
    if components.audio:
        audio = {**components.audio, "sample_rate": int(components.audio["sample_rate"])}
        digest.update(_hash_sound(*_sound(audio, node=node, field=field)).encode())
    return digest.hexdigest()
