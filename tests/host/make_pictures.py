"""The pictures of the papers, made anew from real rehearsals in the real page.

cd tests && ../.venv/bin/python -m host.make_pictures

Writes a thumbnail beside every example workflow, and into docs/images a strip and a screenshot of each one that is
named in SHOWN. Needs Chromium for the screenshots. Nothing is bought.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Page

from .api_form import api_form
from .comfy import Comfy
from .comfyui import ROOT
from .page import open_browser, open_page
from .run import Run

EXAMPLES = ROOT / "example_workflows"
IMAGES = ROOT / "docs" / "images"
SHOWN = {
    "first and last frame": "first-and-last-frame",
    "three-shot storyboard with sound": "storyboard",
    "character with voice": "character-with-voice",
    "motion control": "motion-control",
    "two clips chained by last frame": "chained-clips",
}
"""Workflow -> name of its pictures in docs/images."""

SECONDS_TO_REHEARSE = 300.0
MOMENTS = (1 / 6, 3 / 6, 5 / 6)
"""Of the whole length of a run's films, one after the other."""

THUMBNAIL = (512, 288)
THUMBNAIL_BYTES = 60_000
LANDSCAPE, PORTRAIT = (272, 153), (118, 210)
"""Frames in a thumbnail."""
BAND = 24
"""Pixels of film above and below the frames, for the perforation."""
GAP = 8
FILM, HOLE = (16, 16, 18), (228, 226, 220)

VIEWPORT = {"width": 2400, "height": 1500}
SCREENSHOT_WIDTH = 1600


def main() -> None:
    """Play every example, and make its pictures."""
    with tempfile.TemporaryDirectory(prefix="kling-pictures-") as base, Comfy(Path(base)) as comfy:
        for path in sorted(EXAMPLES.glob("*.json")):
            workflow = json.loads(path.read_text(encoding="utf-8"))
            prompt = api_form(workflow, comfy.object_info)
            frames = moments(films(comfy, comfy.run(prompt, workflow=workflow, timeout=SECONDS_TO_REHEARSE)))
            save_jpeg(thumbnail(frames), path.with_suffix(".jpg"), most=THUMBNAIL_BYTES)
            if path.stem in SHOWN:
                save_jpeg(strip(frames, high(frames[0], 270)), IMAGES / f"{SHOWN[path.stem]}-strip.jpg", most=120_000)
            print(path.stem)
        take_screenshots(comfy)


def films(comfy: Comfy, run: Run) -> list[Path]:
    """List the films a run showed, in the order of the nodes."""
    assert run.status == "success", run.why
    shown = [file for _, output in sorted(run.outputs.items(), key=by_number) for file in output.get("images", [])]
    files = (comfy.output / file["subfolder"] / file["filename"] for file in shown if file["type"] == "output")
    return [file for file in files if file.suffix == ".mp4"]


def by_number(entry: tuple[str, Any]) -> int:
    """Sort outputs by the number of their node."""
    return int(entry[0])


def moments(paths: Sequence[Path]) -> list[Image.Image]:
    """Read three frames, spread evenly over all the films."""
    frames = [(path, index) for path in paths for index in range(frame_count(path))]
    return [read_frame(*frames[int(moment * len(frames))]) for moment in MOMENTS]


def frame_count(path: Path) -> int:
    """Count the frames of a film by its packets."""
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


def read_frame(path: Path, index: int) -> Image.Image:
    """Decode one frame of a film."""
    with av.open(str(path)) as container:
        return next(frame for number, frame in enumerate(container.decode(video=0)) if number == index).to_image()


def strip(frames: Sequence[Image.Image], size: tuple[int, int]) -> Image.Image:
    """Lay frames side by side on a perforated film; each is fitted into `size`."""
    width, height = size
    film = Image.new("RGB", (len(frames) * (width + GAP) + GAP, height + 2 * BAND), FILM)
    for number, frame in enumerate(frames):
        fitted = frame.copy()
        fitted.thumbnail(size, Image.Resampling.LANCZOS)
        left = GAP + number * (width + GAP) + (width - fitted.width) // 2
        film.paste(fitted, (left, BAND + (height - fitted.height) // 2))
    draw = ImageDraw.Draw(film)
    for left in range(GAP // 2, film.width, BAND):
        for top in (BAND // 4, film.height - BAND * 3 // 4):
            draw.rounded_rectangle((left, top, left + BAND // 2, top + BAND // 2), 3, fill=HOLE)
    return film


def high(frame: Image.Image, height: int) -> tuple[int, int]:
    """The size of a frame that is to be `height` pixels high."""
    return height * frame.width // frame.height, height


def thumbnail(frames: Sequence[Image.Image]) -> Image.Image:
    """Show the strip before its middle frame, out of focus; the outer frames run over the edges."""
    middle = frames[len(frames) // 2]
    back = middle.resize(THUMBNAIL).filter(ImageFilter.GaussianBlur(18))
    film = strip(frames, LANDSCAPE if middle.width >= middle.height else PORTRAIT)
    back.paste(film, ((THUMBNAIL[0] - film.width) // 2, (THUMBNAIL[1] - film.height) // 2))
    return back


def save_jpeg(image: Image.Image, path: Path, *, most: int) -> None:
    """Save with the best quality that needs no more than `most` bytes."""
    for quality in range(90, 20, -5):
        data = io.BytesIO()
        image.convert("RGB").save(data, "JPEG", quality=quality, optimize=True)
        if data.tell() <= most:
            break
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.getvalue())


def take_screenshots(comfy: Comfy) -> None:
    """Run the workflows of SHOWN in the page, and photograph their graphs."""
    with open_browser() as browser:
        page = open_page(browser, comfy)
        page.set_viewport_size(VIEWPORT)
        page.evaluate("() => app.extensionManager.setting.set('Comfy.Minimap.Visible', false)")
        for name, short in SHOWN.items():
            workflow = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
            picture = Image.open(io.BytesIO(photograph(page, workflow)))
            picture.thumbnail((SCREENSHOT_WIDTH, SCREENSHOT_WIDTH), Image.Resampling.LANCZOS)
            save_jpeg(picture, IMAGES / f"{short}-graph.jpg", most=220_000)


def photograph(page: Page, workflow: Mapping[str, Any]) -> bytes:
    """Load a workflow, run it, and take a picture of its nodes alone."""
    page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
    page.evaluate(RUN_TO_THE_END)
    page.wait_for_timeout(3_000)  # players and previews have no event that says they are painted
    corners = page.evaluate(FIT)
    page.wait_for_timeout(1_500)
    return page.screenshot(clip=corners)


RUN_TO_THE_END = """() => new Promise((done) => {
  app.api.addEventListener("execution_success", done, { once: true });
  app.api.addEventListener("execution_error", done, { once: true });
  app.extensionManager.command.execute("Comfy.QueuePrompt");
})"""

FIT = """() => {
  const boxes = [...app.graph.nodes, ...app.graph.groups].map((item) => item.boundingRect ?? item._bounding);
  const left = Math.min(...boxes.map((box) => box[0])), right = Math.max(...boxes.map((box) => box[0] + box[2]));
  const top = Math.min(...boxes.map((box) => box[1])), bottom = Math.max(...boxes.map((box) => box[1] + box[3]));
  const [margin, above, below] = [30, 190, 150];  // the page's own menus and cards lie above and below
  const room = [innerWidth - 4 * margin, innerHeight - above - below];
  const scale = Math.min(room[0] / (right - left), room[1] / (bottom - top), 1);
  app.canvas.ds.scale = scale;
  app.canvas.ds.offset = [3 * margin / scale - left, above / scale - top];
  app.canvas.setDirty(true, true);
  return {
    x: 2 * margin, y: above - margin,
    width: (right - left) * scale + 2 * margin, height: (bottom - top) * scale + 2 * margin,
  };
}"""

if __name__ == "__main__":
    main()
