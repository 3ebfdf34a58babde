# SPDX-License-Identifier: Apache-2.0
"""A small plot as SVG text: axes with ticks and units, lines, dots with intervals, steps and bands.

Colours are variables of the page, so a plot follows the light and the dark theme. Every series also differs in shape
or dash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

WIDTH, HEIGHT = 380, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 46
STYLES = {
    "main": ("var(--accent)", ""),
    "other": ("var(--bad)", "5 3"),
    "quiet": ("var(--soft)", "2 3"),
}
"""The stroke and the dashes of a series by its part."""
Ticks = Sequence[tuple[float, str]]


class Chart:
    """Marks on a plane with the given ranges of x and y; `log` makes the x axis logarithmic."""

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], *, log: bool = False, width: int = WIDTH
    ) -> None:
        self.warp: Callable[[float], float] = math.log if log else float
        self.x_range, self.y_range = (self.warp(x[0]), self.warp(x[1])), y
        self.width = width
        self.marks: list[str] = []

    def axes(self, x_label: str, y_label: str, x_ticks: Ticks, y_ticks: Ticks) -> Chart:
        """Draw both axes with labels (units included) and ticks; a newline in `x_ticks` starts a second line."""
        bottom, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
        for value, text in y_ticks:
            self._rule(LEFT, self.v(value), self.width - RIGHT, self.v(value))
            self._text(LEFT - 6, self.v(value) + 4, text, "end")
        for value, text in x_ticks:
            for number, line in enumerate(text.split("\n")):
                self._text(self.u(value), bottom + 15 + 12 * number, line)
        self._text((LEFT + self.width - RIGHT) / 2, HEIGHT - 5, x_label)
        self.marks.append(
            f"<text transform='translate(12 {middle:.0f}) rotate(-90)' text-anchor=middle>{escape(y_label)}</text>"
        )
        return self

    def u(self, x: float) -> float:
        """Return the horizontal coordinate of a value in the picture."""
        low, high = self.x_range
        return LEFT + (self.warp(x) - low) / (high - low) * (self.width - LEFT - RIGHT)

    def v(self, y: float) -> float:
        """Return the vertical coordinate of a value in the picture; values outside the range are moved to its edge."""
        low, high = self.y_range
        return HEIGHT - BOTTOM - (min(max(y, low), high) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Sequence[tuple[float, float]], part: str) -> Chart:
        """Draw straight lines from point to point."""
        colour, dashes = STYLES[part]
        path = " ".join(f"{self.u(x):.1f},{self.v(y):.1f}" for x, y in points)
        self.marks.append(
            f"<polyline points='{path}' fill=none stroke='{colour}' stroke-width=1.8 stroke-dasharray='{dashes}' />"
        )
        return self

    def level(self, y: float, part: str, text: str) -> Chart:
        """Draw a horizontal line across the plot with a text on it."""
        self.line([(self._unwarped(end), y) for end in self.x_range], part)
        self._text(self.width - RIGHT - 3, self.v(y) - 4, text, "end")
        return self

    def band(self, low: float, high: float, text: str) -> Chart:
        """Draw a shaded strip between two heights with a text on it."""
        self._box(LEFT, self.v(high), self.width - LEFT - RIGHT, self.v(low) - self.v(high), 0.12)
        self._text(LEFT + 5, self.v(high) + 12, text, "start")
        return self

    def dot(self, x: float, y: float, interval: Sequence[float] | None, part: str, hint: str = "") -> Chart:
        """Draw a filled round dot (part main) or a hollow square, with its interval as a bar and a tooltip `hint`."""
        colour, u, v = STYLES[part][0], self.u(x), self.v(y)
        bar = (
            interval
            and f"<path d='M{u:.1f} {self.v(interval[0]):.1f}V{self.v(interval[1]):.1f}' stroke='{colour}' stroke-width=1.8 />"
        )
        if part == "main":
            mark = f"<circle cx={u:.1f} cy={v:.1f} r=4.5 fill='{colour}' />"
        else:
            mark = f"<rect x={u - 4:.1f} y={v - 4:.1f} width=8 height=8 fill='var(--card)' stroke='{colour}' stroke-width=1.8 />"
        self.marks.append(f"<g>{bar or ''}{mark}<title>{escape(hint)}</title></g>")
        return self

    def word(self, x: float, y: float, text: str) -> Chart:
        """Draw a text to the right of a point."""
        self._text(self.u(x) + 8, self.v(y) - 5, text, "start")
        return self

    def steps(self, edges: Sequence[float], counts: Sequence[float], part: str) -> Chart:
        """Draw a histogram's outline."""
        corners = [
            (edge, count)
            for low, high, count in zip(edges, edges[1:], counts, strict=False)
            for edge, count in ((low, count), (high, count))
        ]
        return self.line([(edges[0], 0), *corners, (edges[-1], 0)], part)

    def svg(self, description: str) -> str:
        """Return the picture as SVG, with a description for screen readers."""
        style = "width:100%;height:auto;display:block;font-size:11.5px;fill:var(--soft)"
        frame = f"<path d='M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{self.width - RIGHT}' fill=none stroke='var(--edge)' />"
        body = "".join(self.marks)
        return f"<svg viewBox='0 0 {self.width} {HEIGHT}' role=img aria-label='{escape(description, quote=True)}' style='{style}'>{frame}{body}</svg>"

    def _unwarped(self, x: float) -> float:
        return math.exp(x) if self.warp is math.log else x

    def _text(self, u: float, v: float, text: str, anchor: str = "middle") -> None:
        self.marks.append(f"<text x={u:.1f} y={v:.1f} text-anchor={anchor}>{escape(text)}</text>")

    def _rule(self, u: float, v: float, to_u: float, to_v: float) -> None:
        self.marks.append(f"<path d='M{u:.1f} {v:.1f}L{to_u:.1f} {to_v:.1f}' stroke='var(--line)' />")

    def _box(self, u: float, v: float, width: float, height: float, opacity: float) -> None:
        self.marks.append(
            f"<rect x={u:.1f} y={v:.1f} width={width:.1f} height={height:.1f} fill='var(--soft)' fill-opacity={opacity} />"
        )


def round_ticks(low: float, high: float, most: int = 6) -> list[tuple[float, str]]:
    """Return at most `most` round numbers from low to high with their texts, 1, 2 or 5 times a power of ten apart."""
    size = 10 ** math.floor(math.log10((high - low) / most))
    step = next(size * factor for factor in (1, 2, 5, 10, 20) if (high - low) / (size * factor) <= most - 1)
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [
        (number * step, f"{number * step:,.{max(0, -math.floor(math.log10(step) + 1e-9))}f}".replace("-", "−"))
        for number in numbers
    ]


def share_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return ticks for shares from `low` to `high`, in per cent."""
    return [(percent / 100, text) for percent, text in round_ticks(100 * low, 100 * high)]
