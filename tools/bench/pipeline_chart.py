# SPDX-License-Identifier: MIT
"""The pipeline's chart: what is left of messages and of loops, by slots a second, a line for each way."""

import dataclasses
import math

import chart

COLOURS = {
    "pushback, watched": "#2da44e",
    "in-process metrics": "#bf8700",
    "USDT, libbpf": "#0f7fd6",
    "USDT, bpftrace": "#6a8cff",
    "USDT, perf": "#1a9ba8",
    "uprobe, libbpf": "#a371f7",
    "uretprobe, libbpf": "#e5534b",
}

HEIGHT = 420
TOP, BOTTOM = 78, 360
PANELS = ((48, 228), (474, 228))  # left edges and widths; to the right of each are its labels
LABEL_GAP = 17


@dataclasses.dataclass
class Axis:
    """Of ratios, from its lowest to 1."""

    lowest: float
    logarithmic: bool

    def y(self, ratio):
        ratio = min(max(ratio, self.lowest), 1)
        if self.logarithmic:
            share = 1 - math.log(ratio) / math.log(self.lowest)
        else:
            share = (ratio - self.lowest) / (1 - self.lowest)
        return BOTTOM - share * (BOTTOM - TOP)

    def ticks(self):
        if not self.logarithmic:
            return [0, 0.25, 0.5, 0.75, 1]
        return [10.0**-n for n in range(round(-math.log10(self.lowest)) + 1)]


def grid(axis, left, width, names):
    for tick in axis.ticks():
        y = axis.y(tick)
        yield f'<path d="M{left} {y:.1f}H{left + width}" stroke="{chart.GRID}" stroke-opacity="0.35"/>'
        yield chart.text(left - 8, y + 4, f"{tick * 100:g} %", "end", 11)
    for n, name in enumerate(names):
        yield chart.text(place(left, width, n, len(names)), BOTTOM + 20, name, "middle", 11)
    yield chart.text(left + width / 2, BOTTOM + 40, "slots a second", "middle", 11)


def place(left, width, n, count):
    return left + 10 + (width - 20) * (n / (count - 1) if count > 1 else 0.5)


def spread(wanted):
    """Heights of labels near these, in their order, none over another."""
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    heights = dict.fromkeys(order, 0.0)
    floor = TOP
    for n in order:
        floor = heights[n] = max(wanted[n], floor)
        floor += LABEL_GAP
    ceiling = BOTTOM + 4
    for n in reversed(order):
        ceiling = heights[n] = min(heights[n], ceiling)
        ceiling -= LABEL_GAP
    return [heights[n] for n in range(len(wanted))]


def line(colour, points, label, label_x, label_y):
    """Through the points, and from the last of them to its label."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    leader = f"M{x + 5:.1f} {y:.1f}L{label_x - 4:.1f} {label_y:.1f}"
    return "\n".join(
        [
            f'<g fill="{colour}" stroke="none">',
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points),
            f'<path d="{leader}" stroke="{colour}" stroke-opacity="0.6"/>',
            chart.text(label_x, label_y + 4, label),
            "</g>",
        ]
    )


def panel(title, axis, left, width, names, lines):
    """`lines`: {way: [ratio at each of the names]}"""
    yield chart.text(left - 48, TOP - 22, title)
    yield from grid(axis, left, width, names)
    heights = spread([axis.y(ratios[-1]) for ratios in lines.values()])
    for (way, ratios), height in zip(lines.items(), heights):
        points = [(place(left, width, n, len(names)), axis.y(r)) for n, r in enumerate(ratios)]
        yield line(COLOURS.get(way, chart.TEXT), points, way, left + width + 14, height)


def draw(title, names, messages, loops):
    """`messages` and `loops`: {way: [ratio to the consumer without anything, at each of the names]}"""
    lowest = min((r for ratios in loops.values() for r in ratios), default=0.1)
    scale = Axis(10.0 ** min(math.floor(math.log10(lowest)), -1), logarithmic=True)
    parts = [chart.text(0, 18, title, size=16, weight="600")]
    parts += panel("messages a second, of those with nothing", Axis(0, False), *PANELS[0], names, messages)
    parts += panel("turns of its loop a second, logarithmic", scale, *PANELS[1], names, loops)
    said = (
        f"{way}: " + ", ".join(f"{ratio:.1%} at {name}" for name, ratio in zip(names, ratios))
        for way, ratios in messages.items()
    )
    return chart.document(title, "Messages left, by slots a second. " + "; ".join(said), HEIGHT, parts)
