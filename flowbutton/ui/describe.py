"""How lists and descriptions of what is installed print. Imports click, `flowbutton.model`, `ui.catalog`."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import click

from flowbutton.model.units import show_bytes
from flowbutton.ui.catalog import Broken, Catalog, Facts, Origin, summary_of

_LEDGER = {
    "conserves": "each record of '{of}' comes out, or is filtered or set aside with a reason",
    "reduces": "all records of '{of}' are consumed; what comes out is of another kind",
    "expands": "all records of '{of}' are consumed; more may come out",
}


def listing(catalog: Catalog[Any]) -> str:
    """Write a line per entry, grouped by where they come from, and what could not be loaded below."""
    width = max((len(entry.name) for entry in catalog.entries), default=0)
    lines: list[str] = []
    for origin in _origins(catalog):
        lines += ["", bold(str(origin))]
        lines += [
            row(f"  {entry.name.ljust(width)}  ", plain(summary_of(entry.thing)))
            for entry in catalog.entries
            if entry.origin == origin
        ]
    return "\n".join([*lines[1:], *(f"\n{complaint(broken)}" for broken in catalog.broken)])


def listing_json(catalog: Catalog[Any]) -> str:
    """Write the list for programs."""
    entries = [
        {"name": entry.name, "summary": summary_of(entry.thing), "from": _origin(entry.origin)}
        for entry in catalog.entries
    ]
    broken = [
        {"name": broken.name, "from": _origin(broken.origin), "error": str(broken.error)} for broken in catalog.broken
    ]
    return json.dumps({"installed": entries, "broken": broken}, indent=2, ensure_ascii=False)


def stage_text(facts: Facts) -> str:
    """Write a stage's description."""
    outputs = [[output["name"] or "(one)", output["type"]] for output in facts["outputs"]]
    ledger = facts["ledger"]
    sections = {
        "inputs": table([[put["name"], put["type"], _way(put), plain(put["help"])] for put in facts["inputs"]]),
        "outputs": table(outputs),
        "options (with:)": option_table(facts["options"]),
        "records": [f"  {_LEDGER[ledger['rule']].format(**ledger)}"] if ledger else ["  nothing is promised of counts"],
        "resources": [f"  {_resources(facts['resources'])}"],
        "in a pipeline": [f"  {line}" for line in skeleton(facts)],
        "from": [f"  {_from(facts['from'])}"],
    }
    return _page(facts, sections)


def skeleton(facts: Facts) -> list[str]:
    """Write a stage as a pipeline would have it, with ``...`` for what its author has to say."""
    bound: dict[str, list[str]] = {"for_each": [], "gather": [], "share": [], "with": []}
    gathers = any(put["gathers"] for put in facts["inputs"])
    for put in facts["inputs"]:
        way = "gather" if put["gathers"] else "for_each" if put["partitioners"] and not gathers else "share"
        if not put["optional"]:
            bound[way].append(f"{put['name']}: ...")
    bound["with"] = [f"{option['name']}: ..." for option in facts["options"] if option["required"]]
    name = facts["name"]
    uses = f'"{name}"' if ":" in name else name
    lines = [f"  {word}: {{{', '.join(some)}}}" for word, some in bound.items() if some]
    return [f"{name.replace(':', '.').rpartition('.')[2]}:", f"  uses: {uses}", *lines]


def partitioner_text(facts: Facts) -> str:
    """Write a partitioner's description."""
    reader = facts["reader"]
    rows = [[reader["type"], plain(reader["summary"])], ["counts", facts["unit"]], ["key", plain(reader["key"])]]
    sections = {
        "reader of a piece": table(rows),
        "options (with:)": option_table(facts["options"]),
        "from": [f"  {_from(facts['from'])}"],
    }
    return _page(facts, sections)


def _page(facts: Facts, sections: Mapping[str, Sequence[str]]) -> str:
    paragraphs = [plain(part) for part in [facts["summary"], *facts["help"].split("\n\n")] if part]
    head = [bold(facts["name"]), *(row("", part) for part in paragraphs)]
    return "\n\n".join([*head, *("\n".join([bold(name), *lines]) for name, lines in sections.items())])


def option_table(options: Sequence[Facts]) -> list[str]:
    """Write a line per option: name, type, default or that it must be given, help."""
    if not options:
        return ["  none"]
    return table(
        [
            [
                option["name"],
                option["type"],
                "must be given" if option["required"] else f"= {json.dumps(option['default'], ensure_ascii=False)}",
                plain(option["help"]),
            ]
            for option in options
        ]
    )


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align the columns; the last one is wrapped where a terminal is narrow."""
    if not rows:
        return ["  none"]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(rows[0]) - 1)]
    return [
        row("  " + "".join(f"{cell.ljust(width)}  " for cell, width in zip(cells, widths, strict=False)), cells[-1])
        for cells in rows
    ]


def row(head: str, text: str) -> str:
    """Write a text behind a head; on a terminal it goes on below itself, elsewhere it stays one line."""
    text = " ".join(text.split())
    if not sys.stdout.isatty():
        return (head + text).rstrip()
    width = max(shutil.get_terminal_size().columns - 1, len(head) + 24)
    return textwrap.fill(
        text, width, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    ) or head.rstrip()  # fmt: skip


def bold(text: str) -> str:
    """Make a heading, where the reader is a person at a terminal."""
    return click.style(text, bold=True) if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def plain(text: str) -> str:
    """Take the marks of code out of a docstring."""
    return text.replace("`", "")


def _way(put: Facts) -> str:
    way = "gathered" if put["gathers"] else "for_each or share"
    if put["partitioners"]:
        way = f"pieces of {', '.join(put['partitioners'])}"
    return f"{way}, optional" if put["optional"] else way


def _resources(resources: Facts) -> str:
    memory = f"{show_bytes(resources['memory_base_bytes'])} + {resources['memory_per_input_byte']:g} × bytes in"
    shared = resources["memory_per_shared_byte"]
    memory += "" if shared is None else f" ({shared:g} × shared ones)"
    limit = resources["timeout_s"]
    return f"memory {memory}; {'no time limit' if limit is None else f'at most {limit:g} s'}"


def _from(origin: Facts) -> str:
    known = Origin(origin["distribution"], origin["version"])
    return f"{known}, module {origin['module']}"


def _origins(catalog: Catalog[Any]) -> list[Origin]:
    """Return the origins, ours first."""
    found = dict.fromkeys(entry.origin for entry in catalog.entries)
    return sorted(found, key=lambda origin: (origin.distribution != "flowbutton", origin.distribution))


def _origin(origin: Origin) -> Facts:
    return {"distribution": origin.distribution, "version": origin.version}


def complaint(broken: Broken) -> str:
    """Say what can not be used, and why."""
    error = broken.error
    lines = [f"'{broken.name}' of {broken.origin} can't be used: {error.what}", error.why, error.hint]
    return "\n  ".join(line for line in lines if line)
