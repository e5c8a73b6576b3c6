"""What each field of the language means, in a line or two: the descriptions that an editor shows.

A table by model and key; a test holds it complete. The reference for people is `docs/language.md`.
Imports nothing of flowbutton.
"""

from __future__ import annotations

from collections.abc import Mapping

MODELS: Mapping[str, str] = {
    "Spec": "A flowbutton pipeline: params, sources, stages and outputs.",
    "Param": "A typed value that who runs the pipeline may give: -p NAME=VALUE.",
    "SourceSpec": "Data that the pipeline reads, and the partitioner that cuts them.",
    "StageSpec": "A function or program, what its arguments are bound to, and how its tasks are run.",
    "Gather": "Many results into one task.",
    "ResourcesSpec": "What one task needs.",
    "Memory": "Memory of one task in bytes: base + per_input_byte × bytes in.",
    "Tolerate": "How many bad records a stage may set aside before it fails.",
    "ExecutorSpec": "Stages that run by another executor than the rest.",
    "Profile": "Where and with what to run, chosen by --profile; never what is computed.",
}

FIELDS: Mapping[str, Mapping[str, str]] = {
    "Spec": {
        "flowbutton": "The language's version: 1.",
        "name": "The pipeline's name.",
        "params": "Typed values that who runs the pipeline may give.",
        "sources": "Data that the pipeline reads.",
        "stages": "What is done with the data. Their order in the file does not matter.",
        "outputs": "File names under the results folder, and the stage or stage.output that makes each.",
        "profiles": "Where and with what to run, by name.",
    },
    "Param": {
        "type": "Of which type the value is.",
        "nullable": "Whether null is allowed.",
        "default": "The value when none is given; a param without one, and not nullable, must be given.",
        "default_with": "Params on whose own defaults this default depends: when one of them is changed, it is null.",
        "needs": "Params that must have a value where this one has one; false counts as none.",
        "unit": "For people: bp, reads, ppm.",
        "min": "The least value allowed, of an int, float, bytes or duration.",
        "max": "The largest value allowed, of an int, float, bytes or duration.",
        "choices": "What a choice may be.",
        "items": "The type of a list's items; string if not said.",
        "help": "For people, in a line.",
    },
    "SourceSpec": {
        "partitioner": "How the data are cut. `flowbutton partitioners` lists those that are installed.",
        "from": "Where the data are: a path from this file's folder, a glob, or a URI.",
        "with": "The partitioner's options.",
        "when": "${params.NAME} of a bool or a nullable param: false or null drops this, and what needs it.",
    },
    "StageSpec": {
        "uses": "A registered stage (`flowbutton stages` lists them), or module:function beside this file.",
        "command": "A program and its arguments, as a list; there is no shell. {name} is an argument's file.",
        "stdin": "The one file that a command reads as standard input: {name}.",
        "stdout": "The file of a command's working folder that keeps what it prints.",
        "outputs": "The file that a command writes, or several by name; {out} and {out.name} on its command line.",
        "version": "Of a command: raised when its answer changes although command line and program don't.",
        "for_each": "Arguments that get one item per task: argument: source, stage or stage.output.",
        "mode": "Several under for_each: zip (first with first) or cross (each with each).",
        "gather": "Arguments that get many results in one task: argument: stage, stage.output or a mapping.",
        "fan_in": "Gather in a tree of this width; the function must take what it returns.",
        "share": "Arguments that get the same value in all tasks: argument: source, source.table or stage.",
        "with": "Options of the function.",
        "when": "${params.NAME} of a bool or a nullable param: false or null drops this, and what needs it.",
        "resources": "What one task needs.",
        "retries": "How often a task is tried again that was lost, throttled, or out of memory or time.",
        "on_error": "fail ends the run; continue finishes what does not need the failed tasks.",
        "tolerate": "How many bad records the stage may set aside before it fails.",
    },
    "Gather": {
        "from": "The stage or stage.output whose results are gathered.",
        "match": "Key columns: take only what has the task's own values there.",
        "overlap": "argument.attribute: take the parts of bundles that meet this interval of the task's item.",
    },
    "ResourcesSpec": {
        "memory": "4GiB, or a mapping of base and per_input_byte.",
        "timeout": "How long a task may take: 90s, 15m, 2h.",
    },
    "Memory": {
        "base": "What every task needs: 1GiB.",
        "per_input_byte": "What a task needs besides, per byte that it reads.",
    },
    "Tolerate": {"records": "0 or more, or ${params.NAME} of an int."},
    "ExecutorSpec": {
        "stages": "The stages that run by this executor.",
        "workers": "Tasks at once; one per CPU of this machine if not given.",
    },
    "Profile": {
        "executor": "Where tasks run.",
        "workers": "Tasks at once.",
        "executors": "Other executors by name, and the stages that run by them.",
        "store": "Where all work is kept: a folder or URI.",
        "intermediates": "Where small intermediate results are kept instead, for speed: redis://host:6379/0?ttl=7d.",
        "results": "The folder where outputs are published.",
        "resources": "Stages by name, and what one task of them needs.",
    },
}
