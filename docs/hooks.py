"""Pages that the build makes from the program itself: every command, stage, partitioner and exception.

What they say stands in docstrings and models; here it only gets its Markdown. Also here: a scratch folder in which the
commands of the tutorial run. Imports mkdocs, `flowbutton`.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from flowbutton.model import errors
from flowbutton.ui.catalog import Facts, installed_partitioners, installed_stages, partitioner_facts, stage_facts
from flowbutton.ui.cli import commands
from flowbutton.ui.describe import skeleton

TUTORIAL = Path("build/tutorial")
"""Where the tutorial's commands run; the page names it too."""


def on_pre_build(config: MkDocsConfig) -> None:
    """Make the folder in which the tutorial's commands run, one after the other, empty."""
    del config
    shutil.rmtree(TUTORIAL, ignore_errors=True)
    TUTORIAL.mkdir(parents=True)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for name, page in PAGES.items():
        text = "".join(f"{line}\n" for line in page(Path(config.docs_dir)))
        files.append(File.generated(config, name, content=text))
    return files


def commands_page(_: Path) -> Iterator[str]:
    """Yield the lines of the page of commands, as their ``--help`` tells them."""
    yield from ("# Commands", "")
    inner = {
        f"{name} {sub}": command
        for name, group in commands.commands.items()
        if isinstance(group, click.Group)
        for sub, command in group.commands.items()
    }
    for name, command in sorted({**commands.commands, **inner}.items()):
        with click.Context(command, info_name=f"flowbutton {name}") as context:
            yield from (f"## {name}", "```text", command.get_help(context), "```", "")


def stages_page(_: Path) -> Iterator[str]:
    """Yield the lines of the page of stages, as ``flowbutton stages`` describes them."""
    partitioners = installed_partitioners().entries
    yield from ("# Stages", "What ships with flowbutton; `flowbutton stages` lists those of plug-ins too.", "")
    for entry in installed_stages().entries:
        facts = stage_facts(entry, partitioners)
        yield from (f"## {entry.name}", facts["summary"], "", facts["help"], "")
        yield from ("```yaml", *skeleton(facts), "```", "", "| input | type | |", "|---|---|---|")
        yield from (f"| `{put['name']}` | `{_cell(put['type'])}` | {_cell(put['help'])} |" for put in facts["inputs"])
        yield from ("", "| output | type |", "|---|---|")
        yield from (f"| {put['name'] or 'the one'} | `{_cell(put['type'])}` |" for put in facts["outputs"])
        yield from _options(facts)


def partitioners_page(_: Path) -> Iterator[str]:
    """Yield the lines of the page of partitioners, as ``flowbutton partitioners`` describes them."""
    yield from ("# Partitioners", "What ships; `flowbutton partitioners` lists those of plug-ins too.", "")
    for entry in installed_partitioners().entries:
        facts = partitioner_facts(entry)
        reader = facts["reader"]
        yield from (f"## {entry.name}", facts["summary"], "", facts["help"], "")
        yield f"Its reader is `{reader['type']}`: {reader['summary']} It counts {facts['unit']}. Key: {reader['key']}"
        yield from _options(facts)


def _options(facts: Facts) -> Iterator[str]:
    yield ""
    if facts["options"]:
        yield from ("| option | type | default | |", "|---|---|---|---|")
    for option in facts["options"]:
        default = "must be given" if option["required"] else f"`{json.dumps(option['default'])}`"
        yield f"| `{option['name']}` | `{_cell(option['type'])}` | {default} | {_cell(option['help'])} |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split())


def exceptions_page(_: Path) -> Iterator[str]:
    """Yield the lines of the page of errors, with what they say of a retry."""
    yield from ("# Exceptions", "All are in `flowbutton.model.errors`, and say what, why, where and what to do.", "")
    yield from ("| class | is raised when | the engine |", "|---|---|---|")
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.FlowbuttonError) and kind is not errors.FlowbuttonError:
            text = " ".join((inspect.getdoc(kind) or "").split())
            yield f"| `{name}` | {text} | {RETRIES[kind.failure]} |"


def decisions_page(docs: Path) -> Iterator[str]:
    """Yield the lines of the list of decisions."""
    yield from ("# Decisions", "What was decided where there was a choice, why, and what it costs.", "")
    for place in sorted((docs / "decisions").glob("0*.md")):
        title = place.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        yield f"- [{title}]({place.name})"


RETRIES = {
    errors.Failure.BAD_INPUT: "does not try again: the data or the pipeline must change",
    errors.Failure.BUG: "does not try again: the code must change",
    errors.Failure.RESOURCE: "tries again with more, where more is allowed",
    errors.Failure.TRANSIENT: "tries again, after a growing pause",
}

PAGES: dict[str, Callable[[Path], Iterator[str]]] = {
    "reference/commands.md": commands_page,
    "reference/stages.md": stages_page,
    "reference/partitioners.md": partitioners_page,
    "reference/exceptions.md": exceptions_page,
    "decisions/index.md": decisions_page,
}
