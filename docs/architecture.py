# SPDX-License-Identifier: Apache-2.0
"""Draw the architecture picture from the imports: `python -m docs.architecture` writes docs/images/architecture.svg.

One band per layer, one box per package with its number of files, the highest package first. A curve joins two packages
of a layer if one imports the other; an arrow joins the layers.
"""

from __future__ import annotations

from collections import Counter
from html import escape

from tests.support import ROOT
from tests.test_architecture import FACES, ORDER, files, imported_modules, module_of, package_of

PICTURE = ROOT / "docs" / "images" / "architecture.svg"
LAYERS = ("app", "rlhf", "reward", "labeling", "data")
COLOURS = {"app": "#7c3aed", "rlhf": "#2563eb", "reward": "#0d9488", "labeling": "#d97706", "data": "#475569"}
WIDTH, BOX, GAP, BAND = 1250, 108, 12, 150
PER_ROW = 10
STYLE = "font-family='system-ui, sans-serif' font-size='12'"


def package_files() -> Counter[str]:
    """Count the files of each package."""
    return Counter(package_of(module_of(path)) for path in files() if module_of(path) not in FACES)


def package_imports() -> Counter[tuple[str, str]]:
    """Count the imports between packages, as (importing, imported)."""
    modules = {module_of(path) for path in files()}
    return Counter(
        (package_of(module_of(path)), package_of(target))
        for path in files()
        if module_of(path) not in FACES
        for target in imported_modules(path, modules)
        if package_of(module_of(path)) != package_of(target)
    )


def places() -> dict[str, tuple[float, float]]:
    """Return the upper left corner of each package's box."""
    corners = {}
    for band, layer in enumerate(LAYERS):
        members = [name for name in ORDER if name.split(".")[0] == layer]
        for number, name in enumerate(reversed(members)):
            row, column = divmod(number, PER_ROW)
            corners[name] = (40 + column * (BOX + GAP), 40 + band * BAND + row * 50)
    return corners


def picture() -> str:
    """Return the picture as SVG."""
    corners, sizes = places(), package_files()
    height = 40 + len(LAYERS) * BAND
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' {STYLE}>"]
    parts.append(f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>")
    for (importing, imported), count in sorted(package_imports().items()):
        if importing.split(".")[0] == imported.split(".")[0]:
            parts.append(curve(corners[importing], corners[imported], COLOURS[importing.split(".")[0]], count))
    for band, layer in enumerate(LAYERS):
        y = 24 + band * BAND
        parts.append(f"<text x='40' y='{y}' font-weight='700' fill='{COLOURS[layer]}'>{layer}</text>")
    parts += [box(name, x, y, sizes[name]) for name, (x, y) in corners.items()]
    for band in range(1, len(LAYERS)):
        start, end = band * BAND - 70, band * BAND + 30
        parts.append(
            f"<path d='M20 {start} V{end} m-5 -8 l5 8 l5 -8' fill='none' stroke='#111827' stroke-width='1.5'/>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def curve(start: tuple[float, float], end: tuple[float, float], colour: str, count: int) -> str:
    """Return the line between two boxes; its width grows with the number of imports."""
    (x1, y1), (x2, y2) = start, end
    middle, bend = (x1 + x2 + BOX) / 2, (y1 + y2) / 2 + 18 + abs(x2 - x1) / 20
    path = f"M{x1 + BOX / 2} {y1 + 18} Q{middle} {bend} {x2 + BOX / 2} {y2 + 18}"
    width = min(4, 0.5 + count / 4)
    return f"<path d='{path}' fill='none' stroke='{colour}' stroke-opacity='0.3' stroke-width='{width}'/>"


def box(name: str, x: float, y: float, files: int) -> str:
    """Return the box of a package with its number of files."""
    layer, _, label = name.rpartition(".") if "." in name else (name, "", name)
    colour, centre = COLOURS[layer.split(".")[0]], x + BOX / 2
    return (
        f"<rect x='{x}' y='{y}' width='{BOX}' height='36' rx='6' fill='#ffffff' stroke='{colour}'/>"
        f"<text x='{centre}' y='{y + 16}' text-anchor='middle'>{escape(label)}</text>"
        f"<text x='{centre}' y='{y + 30}' text-anchor='middle' font-size='10' fill='#6b7280'>{files}</text>"
    )


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
