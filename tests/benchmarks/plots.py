"""Small plots in SVG that can be read on light and on dark ground. Drawn only where `--plots` names a folder."""

from __future__ import annotations

from pathlib import Path

FOLDER: Path | None = None
COLOURS = ("#2b8cbe", "#e6842a", "#4daf4a", "#c2559d", "#8c6bb1", "#a6761d")
GREY = "#8a8f98"


def draw(
    name: str, what: str, sides: list[tuple[str, dict[str, dict[int, float]]]], *, logarithmic: bool = False
) -> None:
    """Draw `name`.svg: one panel for each side, (unit, lines by their names, each a value for every amount)."""
    if FOLDER is None:
        return
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    # Names of parts and the date would differ from run to run.
    mpl.rcParams.update(
        {"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 9, "text.color": GREY, "axes.labelcolor": GREY}
    )
    mpl.rcParams.update({"xtick.color": GREY, "ytick.color": GREY, "axes.edgecolor": GREY})
    figure, panels = plt.subplots(1, len(sides), figsize=(7.2 if len(sides) > 1 else 6.0, 2.8), squeeze=False)
    for number, (panel, (unit, lines)) in enumerate(zip(panels[0], sides, strict=True)):
        for at, (label, values) in enumerate(lines.items()):
            colour = COLOURS[(number + at) % len(COLOURS)]
            panel.plot(list(values), list(values.values()), "o-", color=colour, label=label, markersize=4)
        panel.set(xlabel=what, ylabel=unit)
        if logarithmic:
            panel.set(xscale="log", yscale="log")
            panel.legend(frameon=False, labelcolor=GREY, fontsize=7, loc="upper left")
        else:
            panel.set(xlim=(0, None), ylim=(0, None))
        panel.grid(color=GREY, alpha=0.25, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / f"{name}.svg", transparent=True, metadata={"Date": None})
    plt.close(figure)
