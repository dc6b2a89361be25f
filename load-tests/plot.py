"""Line plots as SVG, in the page itself: a report is one file that needs no network."""
import html

COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 260, 62, 12, 34, 34
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; color: #1f2328 }}
table {{ border-collapse: collapse }} td, th {{ border: 1px solid #d1d9e0; padding: .25em .7em; text-align: right }}
td:first-child, th:first-child {{ text-align: left }} .bad {{ color: #d1242f; font-weight: 600 }}
svg text {{ font: 12px system-ui, sans-serif; fill: #59636e }}
</style><h1>{title}</h1>
{body}</html>
"""


def page(title, parts):
    """A whole page of parts that are HTML already."""
    return PAGE.format(title=html.escape(title), body="\n".join(parts))


def table(header, rows):
    cells = lambda tag, row: "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in row)
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{cells('th', header)}</tr>{body}</table>"


def lines(title, series, unit=""):
    """A plot of series by name, each a list of (seconds, value); gaps are None."""
    points = [point for line in series.values() for point in line if point[1] is not None]
    if not points:
        return ""
    end = max(x for x, _ in points) or 1
    top = nice(max(y for _, y in points))
    x_at = lambda x: LEFT + x / end * (WIDTH - LEFT - RIGHT)
    y_at = lambda y: HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)
    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">',
           f'<text x="{LEFT}" y="16" style="font-weight:600">{html.escape(title)}</text>']
    for step in range(5):
        y = top * step / 4
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_at(y):.1f}" y2="{y_at(y):.1f}" stroke="#e5e9ed"/>'
                   f'<text x="{LEFT - 6}" y="{y_at(y) + 4:.1f}" text-anchor="end">{y:g}{unit}</text>')
        x = end * step / 4
        out.append(f'<text x="{x_at(x):.1f}" y="{HEIGHT - 12}" text-anchor="middle">{x:.0f} s</text>')
    for place, (name, line) in enumerate(series.items()):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in line if y is not None)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        out.append(f'<text x="{WIDTH - RIGHT - 110 * (len(series) - place - 1)}" y="16" text-anchor="end" '
                   f'style="fill:{colour}">{html.escape(name)}</text>')
    return "".join([*out, "</svg>"])


def nice(value):
    """The next of 1, 2, 4, 5, 8 times a power of ten, so that four steps have round numbers."""
    if value <= 0:
        return 1
    power = 10 ** (len(f"{value:.0f}") - 1) if value >= 1 else 10.0 ** -3
    while True:
        for factor in (1, 2, 4, 5, 8):
            if factor * power >= value:
                return factor * power
        power *= 10
