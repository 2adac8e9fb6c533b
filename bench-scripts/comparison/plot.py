"""Plots as SVG by hand: bars on logarithmic or linear axes, for light and dark pages."""

import math
from html import escape

COLOURS = ("#2a6fd6", "#7cb0ff", "#d9782b", "#8b929c")  # ours are blue
STYLE = """text{font:12px sans-serif;fill:#222}.t{font-size:14px;font-weight:bold}.g{stroke:#ddd}.b{fill:#fff}
.v{font-size:10px}@media(prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#444}.b{fill:#161b22}}"""
WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 70, 12, 62, 40


def page(*panels):
    """Panels under each other. A panel is a function of its top edge."""
    height = PANEL * len(panels)
    body = "\n".join(panel(PANEL * number) for number, panel in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">\n'
        f'<style>{STYLE}</style>\n<rect class="b" width="{WIDTH}" height="{height}"/>\n{body}\n</svg>\n'
    )


def bars(title, groups, series, logarithmic=True):
    """`series`: (name, one value per group, None = not measured)."""

    def panel(top):
        scale = Scale([value for _, values in series for value in values if value is not None], logarithmic, top)
        parts = [*frame(title, [name for name, _ in series], scale, top)]
        wide = (WIDTH - LEFT - RIGHT) / len(groups)
        bar = 0.8 * wide / len(series)
        for at, group in enumerate(groups):
            parts.append(text(LEFT + (at + 0.5) * wide, top + PANEL - BOTTOM + 18, group))
            for number, (_, values) in enumerate(series):
                if values[at] is None:
                    continue
                x, y, gap = LEFT + (at + 0.1) * wide + number * bar, scale.y(values[at]), 3
                high, colour = top + PANEL - BOTTOM - y, COLOURS[number]
                size = f'width="{bar - gap:.1f}" height="{high:.1f}"'
                parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{colour}"/>')
                parts.append(text(x + (bar - gap) / 2, y - 3, short(values[at]), "v"))
        return "\n".join(parts)

    return panel


class Scale:
    """Values to heights. Logarithmic ones begin at a power of ten, linear ones at 0."""

    def __init__(self, values, logarithmic, top):
        self.logarithmic, self.top = logarithmic, top
        if logarithmic:
            self.low = math.floor(math.log10(min(values)) - 0.05)
            self.high = max(math.ceil(math.log10(max(values)) + 0.05), self.low + 1)
            self.ticks = [10.0**power for power in range(self.low, self.high + 1)]
        else:
            self.low, self.high = 0, max(values) * 1.1 or 1
            step = 2 * 10 ** math.floor(math.log10(self.high / 2))
            self.ticks = [step * at for at in range(int(self.high / step) + 1)]

    def y(self, value):
        value = math.log10(max(value, 10.0**self.low)) if self.logarithmic else value
        room = PANEL - TOP - BOTTOM
        return self.top + TOP + room * (1 - (value - self.low) / (self.high - self.low))


def frame(title, names, scale, top):
    yield text(LEFT, top + 20, title, "t", "start")
    x = LEFT
    for number, name in enumerate(names):
        yield f'<rect x="{x}" y="{top + 30}" width="11" height="11" fill="{COLOURS[number]}"/>'
        yield text(x + 16, top + 40, name, anchor="start")
        x += 34 + 7 * len(name)
    for tick in scale.ticks:
        y = scale.y(tick)
        yield f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield text(LEFT - 6, y + 4, short(tick), anchor="end")


def text(x, y, words, name=None, anchor="middle"):
    name = f' class="{name}"' if name else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{name}>{escape(str(words))}</text>'


def short(value):
    """Three digits that count: 1.23M, 45.6k, 7.89, 0.012."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{letter}"
    return f"{value:.3g}"
