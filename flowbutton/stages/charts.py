"""Small charts as inline SVG: lines, bands, bars, on axes with round numbers.

Colours come from the page's style sheet (`page`), so that light, dark and print differ there alone. Deterministic:
coordinates are rounded to a tenth. Here: drawing. Not here: what is drawn (each domain's report). No imports.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import floor, log10

Point = tuple[float, float]

_HEIGHT = 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 40


@dataclass(slots=True)
class Chart:
    """A chart over ``x`` and ``y`` (first, last); marks are drawn in the order of adding.

    ``title`` names it for those who can't see it; ``good`` says in plain words what good data look like. ``y_step`` is
    the least step between ticks of ``y``: 1 for counts.
    """

    title: str
    good: str
    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    marks: list[str] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)
    x_ticks: Sequence[tuple[float, str]] | None = None
    width: int = 640
    y_step: float = 0.0

    def line(self, points: Iterable[Point], style: str, name: str = "") -> None:
        """Draw a line; ``style`` is a class of the style sheet."""
        path = " ".join(f"{self._at_x(x)},{self._at_y(y)}" for x, y in points)
        self.marks.append(f'<polyline class="line {style}" points="{path}"/>')
        self._name(style, name)

    def band(self, lower: Sequence[Point], upper: Sequence[Point], style: str, name: str = "") -> None:
        """Fill what lies between two lines."""
        path = " ".join(f"{self._at_x(x)},{self._at_y(y)}" for x, y in (*lower, *reversed(upper)))
        self.marks.append(f'<polygon class="band {style}" points="{path}"/>')
        self._name(f"{style} soft", name)

    def bars(self, heights: Iterable[Point], width: float, style: str, name: str = "") -> None:
        """Draw a bar for each (left end, height)."""
        base = float(self._at_y(self.y[0]))
        for left, height in heights:
            start, end, top = float(self._at_x(left)), float(self._at_x(left + width)), float(self._at_y(height))
            gap = 1 if end - start > 4 else 0
            self.marks.append(
                f'<rect class="bar {style}" x="{start:.1f}" y="{top:.1f}" '
                f'width="{max(end - start - gap, 0.5):.1f}" height="{base - top:.1f}"/>'
            )
        self._name(style, name)

    def dots(self, points: Iterable[Point], style: str, name: str = "") -> None:
        """Draw a dot at each point."""
        self.marks.extend(
            f'<circle class="bar {style}" cx="{self._at_x(x)}" cy="{self._at_y(y)}" r="2.5"/>' for x, y in points
        )
        self._name(style, name)

    def upright(self, x: float, style: str) -> None:
        """Draw an upright line across the chart."""
        at = self._at_x(x)
        self.marks.append(f'<line class="{style}" x1="{at}" x2="{at}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')

    def html(self) -> str:
        """Return the figure: title, drawing, legend and what good looks like."""
        names = "".join(f'<span class="key {style}">{escape(name)}</span>' for style, name in self.legend)
        legend = f'<p class="legend">{names}</p>' if names else ""
        label = escape(f"{self.title}. {self.x_label} against {self.y_label}.")
        return (
            f"<figure><figcaption>{escape(self.title)}</figcaption>"
            f'<svg viewBox="0 0 {self.width} {_HEIGHT}" role="img" aria-label="{label}">'
            f"{self._axes()}{''.join(self.marks)}</svg>{legend}"
            f'<p class="good">{escape(self.good)}</p></figure>'
        )

    def _name(self, style: str, name: str) -> None:
        if name:
            self.legend.append((style, name))

    def _axes(self) -> str:
        bottom, middle = _HEIGHT - _BOTTOM, (_LEFT + self.width - _RIGHT) / 2
        parts = []
        for value in round_ticks(*self.y, least=self.y_step):
            at = self._at_y(value)
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{self.width - _RIGHT}" y1="{at}" y2="{at}"/>')
            parts.append(
                f'<text class="tick" x="{_LEFT - 7}" y="{float(at) + 4:.1f}" text-anchor="end">{short(value)}</text>'
            )
        for value, text in self.x_ticks or [(value, short(value)) for value in round_ticks(*self.x)]:
            at = self._at_x(value)
            parts.append(f'<text class="tick" x="{at}" y="{bottom + 16}" text-anchor="middle">{escape(text)}</text>')
        parts.append(f'<line class="axis" x1="{_LEFT}" x2="{self.width - _RIGHT}" y1="{bottom}" y2="{bottom}"/>')
        parts.append(
            f'<text class="label" x="{middle:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(self.x_label)}</text>'
        )
        parts.append(
            f'<text class="label" transform="translate(13 {(_TOP + bottom) / 2:.1f}) rotate(-90)" '
            f'text-anchor="middle">{escape(self.y_label)}</text>'
        )
        return "".join(parts)

    def _at_x(self, value: float) -> str:
        first, last = self.x
        return f"{_LEFT + (value - first) / (last - first or 1) * (self.width - _LEFT - _RIGHT):.1f}"

    def _at_y(self, value: float) -> str:
        first, last = self.y
        share = min(1.0, (value - first) / (last - first or 1))
        return f"{_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM):.1f}"


def round_ticks(first: float, last: float, *, least: float = 0.0) -> list[float]:
    """Return about five round numbers from ``first`` to ``last``, at least ``least`` apart."""
    span = last - first or 1
    rough = max(span / 5, least)
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.99)
    number = -floor(-first / step + 1e-9)
    ticks = []
    while number * step <= last + step * 1e-6:
        ticks.append(number * step)
        number += 1
    return ticks


def round_length(most: float) -> float:
    """Return the longest of 1, 2 and 5 times a power of ten that is at most ``most``, above 0."""
    power = 10.0 ** floor(log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))


def short(value: float) -> str:
    """Write a number in few characters: 1.5, 250, 40k, 3M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.6g}{unit}"
    return f"{value:.4g}"
