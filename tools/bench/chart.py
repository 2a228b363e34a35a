# SPDX-License-Identifier: MIT
"""Bar charts as SVG, for light and dark pages alike: no background, and colours from the middle."""

import math
from xml.sax.saxutils import escape

TEXT = "#6e7781"  # 4.6 : 1 on white, 4.1 : 1 on GitHub's dark page
GRID = "#8b949e"
GROUPS = ["#2da44e", "#d4740b", "#8a63d2", "#218bff", "#cf5b9c"]
SIZE = 13  # of the text; what it needs is reckoned with a wide font
WIDTH = 860
ROW = 24
BAR = 15


def room(text, size=SIZE):
    return len(text) * size * 0.6


def number(value):
    """With the two digits that count."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


class Scale:
    """From values to pixels, `width` of them. What lies below where a logarithmic one begins is a stub."""

    def __init__(self, values, width, log, least):
        self.width = width
        self.log = log
        most = max(*values, least, 1e-9)
        if log:
            known = [value for value in values if value > least]
            self.first = math.floor(math.log10(least or min(known, default=1)))
            self.last = max(math.ceil(math.log10(most)), self.first + 1)
        else:
            self.step = 10 ** math.floor(math.log10(most))
            self.step /= next(part for part in (1, 2, 4) if most / self.step * part >= 3 or part == 4)
            self.last = math.ceil(most / self.step)

    def ticks(self):
        if self.log:
            return [10.0**power for power in range(self.first, self.last + 1)]
        return [self.step * n for n in range(self.last + 1)]

    def below(self, value):
        return self.log and value < 10.0**self.first

    def said(self, value):
        return f"< {number(10.0**self.first)}" if self.below(value) else number(value)

    def place(self, value):
        if not self.log:
            return self.width * value / (self.step * self.last)
        if self.below(value):
            return 2
        return max(2, self.width * (math.log10(value) - self.first) / (self.last - self.first))


def text(x, y, said, anchor="start", size=SIZE, weight=""):
    how = f'text-anchor="{anchor}" font-size="{size}"' + (f' font-weight="{weight}"' if weight else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" {how}>{escape(said)}</text>'


def grid(scale, left, top, bottom):
    """Lines up through the bars, each with its number unless that would touch the one before."""
    taken = -math.inf
    for tick in scale.ticks():
        x = left + (scale.place(tick) if tick != scale.ticks()[0] else 0)
        yield f'<path d="M{x:.1f} {top}V{bottom}" stroke="{GRID}" stroke-opacity="0.35"/>'
        said = number(tick) if tick else "0"
        half = room(said, 11) / 2
        if x - half > taken:
            yield text(x, bottom + 16, said, "middle", 11)
            taken = x + half + 6


def legend(groups, left, y):
    for name, colour in groups.items():
        yield f'<rect x="{left:.1f}" y="{y - 10}" width="11" height="11" rx="2" fill="{colour}"/>'
        yield text(left + 17, y, name)
        left += 17 + room(name) + 18


def bars(title, unit, rows, log=True, least=0):
    """Of rows (label, value, group): a bar each in the colour of its group; an SVG document.

    What is below `least` is shown as that: smaller differences mean nothing.
    """
    left = max(room(label) for label, _, _ in rows) + 14
    scale = Scale([value for _, value, _ in rows], WIDTH - left - 90, log, least)
    groups = {group: GROUPS[n % len(GROUPS)] for n, group in enumerate(dict.fromkeys(row[2] for row in rows))}
    top = 66 if len(groups) > 1 else 44
    bottom = top + ROW * len(rows) + 4
    axis = unit + (", logarithmic scale" if log else "")
    parts = [text(0, 18, title, size=16, weight="600"), text(WIDTH, bottom + 34, axis, "end", 11)]
    parts += legend(groups, 0, 44) if len(groups) > 1 else []
    parts += grid(scale, left, top, bottom)
    for n, (label, value, group) in enumerate(rows):
        y = top + ROW * n + 4
        long = scale.place(value)
        parts.append(text(left - 8, y + 12, label, "end"))
        parts.append(
            f'<rect x="{left:.1f}" y="{y}" width="{long:.1f}" height="{BAR}" rx="2" fill="{groups[group]}"/>'
        )
        parts.append(text(left + long + 6, y + 12, scale.said(value)))
    about = "; ".join(f"{label}: {scale.said(value)}" for label, value, _ in rows)
    return document(title, f"{axis}: {about}", bottom + 42, parts)


def document(title, about, height, parts):
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title about" '
            f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" fill="{TEXT}">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="about">{escape(about)}</desc>',
            *parts,
            "</svg>\n",
        ]
    )
