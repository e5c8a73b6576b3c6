"""Reports as one HTML page: the frame, sections, tables, warnings, and the style sheet.

A page needs no network and no script, follows the reader's light or dark, prints, and can be read aloud. Equal inputs
give equal bytes. Here: what pages have in common. Not here: charts (`charts`), what is told (each domain's report).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from flowbutton.stages.charts import Chart


def page(title: str, lead: str, sections: Mapping[str, tuple[str, Iterable[str]]], warnings: Sequence[str]) -> str:
    """Return a whole page.

    Args:
        title: Of the page.
        lead: What it is about, in a sentence.
        sections: By key: the title, and HTML; the title is also that of the link.
        warnings: What a reader should know before believing the rest.
    """
    links = "".join(f'<a href="#{key}">{escape(name)}</a>' for key, (name, _) in sections.items())
    body = "".join(section(key, name, parts) for key, (name, parts) in sections.items())
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><main>"
        f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>'
        f'<nav aria-label="Sections">{links}</nav></header>\n'
        f"{warned(warnings)}{body}</main></body></html>\n"
    )


def section(key: str, title: str, parts: Iterable[str]) -> str:
    """Return a section with a heading that can be linked to."""
    heading = f'<h2 id="{key}-h">{escape(title)}</h2>'
    return f'<section id="{key}" aria-labelledby="{key}-h">{heading}{"".join(parts)}</section>\n'


def warned(warnings: Sequence[str]) -> str:
    """Return warnings as a box; nothing where there are none."""
    if not warnings:
        return ""
    lines = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<div class="warnings" role="note"><h2>Look at this first</h2><ul>{lines}</ul></div>\n'


def figures(charts: Sequence[Chart]) -> str:
    """Return charts side by side."""
    return f'<div class="figures">{"".join(chart.html() for chart in charts)}</div>' if charts else ""


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first cell of a row names it."""
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def facts(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and what they stand for, in words."""
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    named = f"<caption>{escape(caption)}</caption>"
    return f'<div class="scroll"><table class="facts">{named}<tbody>{body}</tbody></table></div>'


def folded(title: str, html: str, *, opened: bool) -> str:
    """Return a part with a heading that folds it away and opens it."""
    state = " open" if opened else ""
    return f"<details{state}><summary><h3>{escape(title)}</h3></summary>{html}</details>"


def good(text: str) -> str:
    """Return a soft line below a table or chart."""
    return f'<p class="good">{escape(text)}</p>'


STYLE = """
:root{--paper:#fbfbf9;--card:#fff;--ink:#1d2327;--soft:#5b666e;--rule:#dde1e3;--a:#1769aa;--b:#bf740b;--c:#0ca09f;
--d:#48115f;--e:#4c5250;--warn:#8a5a00;--warn-paper:#fff5dd}
@media (prefers-color-scheme:dark){:root{--paper:#14181b;--card:#1c2226;--ink:#e6eaec;--soft:#a2adb4;--rule:#343c42;
--a:#4f9fe6;--b:#cf8a4f;--c:#2fdca0;--d:#e9d9ff;--e:#7b747f;--warn:#f2c66d;--warn-paper:#332a14}}
@media print{:root{--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--rule:#bbb;--a:#1769aa;--b:#bf740b;--c:#0ca09f;
--d:#48115f;--e:#4c5250;--warn:#8a5a00;--warn-paper:#fff}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1360px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:1.7rem;margin:0 0 .2rem}h2{font-size:1.25rem;margin:2.2rem 0 .6rem}
h3{font-size:1.05rem;margin:1.4rem 0 .5rem}
p{margin:.3rem 0}.lead{color:var(--soft)}
nav{margin:.8rem 0}nav a{color:var(--a);margin-right:1.1rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;background:var(--card);font-variant-numeric:tabular-nums;margin:.4rem 0}
caption{text-align:left;color:var(--soft);padding:.2rem 0;font-size:.9rem}
th,td{padding:.38rem .8rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th{font-weight:600}tbody th{max-width:24rem;white-space:normal;overflow-wrap:break-word}
.facts td{text-align:left;white-space:normal}
thead th{color:var(--soft);font-size:.85rem}th[scope=row],thead th:first-child{text-align:left}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:16px}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:12px 14px}
figcaption{font-weight:600;margin-bottom:4px}svg{width:100%;height:auto;display:block}
.figures,.pictures,.gallery{margin-top:.8rem}
.wide{margin-bottom:16px}.wide figure{overflow-x:auto}.wide svg{min-width:900px}
summary{cursor:pointer}summary h3{display:inline-block;margin:.7rem 0 .3rem}
.good{color:var(--soft);font-size:.87rem}
.grid{stroke:var(--rule)}.axis{stroke:var(--soft)}.edge{stroke:var(--e);stroke-dasharray:3 3}
.tick,.label{fill:var(--soft);font-size:11.5px}.label{font-size:12px}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}.line.thin{stroke-width:1.1}
.line.dashed{stroke-dasharray:6 4}
.line.a{stroke:var(--a)}.line.b{stroke:var(--b)}.line.c{stroke:var(--c)}.line.d{stroke:var(--d)}.line.e{stroke:var(--e)}
.band.a,.bar.a{fill:var(--a)}.band.b,.bar.b{fill:var(--b)}.bar.c{fill:var(--c)}.bar.e{fill:var(--e)}
.band{opacity:.22}.bar{opacity:.85}.bar.half{opacity:.5}
.legend{font-size:.87rem;margin:.1rem 0}.key{margin-right:1rem;white-space:nowrap}
.key::before{content:"";display:inline-block;width:.9em;height:.9em;border-radius:2px;margin-right:.35em;
vertical-align:-.08em;background:var(--e)}
.key.a::before{background:var(--a)}.key.b::before{background:var(--b)}.key.c::before{background:var(--c)}
.key.d::before{background:var(--d)}.key.soft::before,.key.half::before{opacity:.4}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:16px}
.pictures img{width:100%;display:block;image-rendering:pixelated}img.scale,.pictures img.scale{width:100%;height:12px;
margin-top:8px;display:block}.gradient{max-width:420px;margin:.4rem 0 .8rem}
.scale-ends{display:flex;justify-content:space-between;font-size:.87rem;color:var(--soft)}
.length{height:6px;border:2px solid var(--ink);border-top:0;margin-top:8px}.told{font-size:.87rem;color:var(--soft)}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,250px),1fr));gap:14px;font-size:.87rem}
.gallery img{width:100%;display:block;image-rendering:pixelated}.gallery figure{overflow-wrap:anywhere}
.warnings{background:var(--warn-paper);border-left:4px solid var(--warn);padding:.6rem 1rem;border-radius:4px}
.warnings h2{margin:.1rem 0;font-size:1.05rem;color:var(--warn)}.warnings ul{margin:.3rem 0;padding-left:1.2rem}
.warnings li{overflow-wrap:anywhere}
@media (max-width:600px){main{padding:16px 12px 40px}th,td{padding:.38rem .5rem}
figure{padding:10px}}
@media print,(max-width:600px){.figures .tick,.figures .label{font-size:17px}.figures svg{overflow:visible}
.figures .label{translate:0 5px}.figures .label[transform]{translate:-9px 0}.legend{margin-top:.5rem}}
@media print{body{font-size:11pt}main{padding:0}nav{display:none}figure,tr{break-inside:avoid}h2,h3{break-after:avoid}
.figures,.pictures{grid-template-columns:1fr 1fr}.gallery{grid-template-columns:repeat(4,1fr)}
.wide svg{min-width:0}th,td{white-space:normal;padding:.3rem .4rem}
details::details-content{content-visibility:visible;display:block}}
"""
