"""One stage on given files, in this process: what ``flowbutton try`` does.

The worker's own code performs the task, on a store in memory: so readers, codecs and counts are those of a run. A file
for a reader is cut by the partitioner that opens this reader, at the largest size; any other argument gets the file
decoded by its type, as if another stage had made it.
Imports `flowbutton.model`, `dag`, `engine` (the ledger), `stages`, `stores`, `worker`, `ui.catalog`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from flowbutton.dag.fits import fits, show_type
from flowbutton.dag.load import load
from flowbutton.dag.options import check_options, cut_model
from flowbutton.engine.ledger import LedgerLine, check
from flowbutton.engine.tasks import Counts
from flowbutton.model.bundle import Parts
from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.errors import BadInput, MissingInput, OptionError
from flowbutton.model.near import did_you_mean
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Piece, Source
from flowbutton.model.records import Artifact, LedgerCounts, Measures, TaskRecord
from flowbutton.model.stage import Parameter, StageDefinition
from flowbutton.stages.codecs import Encoded, bare
from flowbutton.stages.define import is_named_tuple, outputs_of
from flowbutton.stores.records import put_selection, write_pack
from flowbutton.ui.catalog import installed_partitioners
from flowbutton.worker.context import WorkerContext
from flowbutton.worker.outputs import store_one
from flowbutton.worker.payload import (
    ArtifactInput,
    CallOrder,
    GatherInput,
    Input,
    PartsInput,
    PieceInput,
    StageWork,
    StoredRow,
    TaskOrder,
    TransposeWork,
)
from flowbutton.worker.payload import ValueInput as Value
from flowbutton.worker.perform import perform

_GIVEN = "given"
_WHOLE = 1 << 62  # a size that no source has: as few pieces as can be
_SCALARS = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class Told:
    """Which piece of how many an argument got."""

    argument: str
    partitioner: Partitioner
    piece: Piece
    number: int
    pieces: int


class Trial:
    """A stage with its inputs, ready to be performed. ``pieces`` says what its readers are opened on."""

    def __init__(self, stage: StageDefinition, options: Mapping[str, Json]) -> None:
        self.stage, self.options = stage, options
        self.pieces: list[Told] = []
        self.context = WorkerContext(f"memory://try-{uuid4().hex}")
        self._inputs: dict[str, Input] = {}

    def give(self, argument: str, values: Sequence[str], *, piece: int = 1) -> None:
        """Give an argument its file or files, or for a text or number the value itself.

        Raises:
            MissingInput: a file is not there.
            BadInput, OptionError: it can't be what the argument takes.
        """
        parameter = self.stage.inputs[argument]
        kind = bare(parameter.type)
        if len(values) > 1 and not parameter.gathers:
            raise OptionError(f"'{argument}' takes one value, and got {len(values)}", why="", hint="give it once")
        if parameter.gathers:
            self._inputs[argument] = self._gathered(parameter, values)
        elif kind in _SCALARS:
            self._inputs[argument] = Value(values[0])
        elif isinstance(kind, type) and issubclass(kind, Reader):
            self._inputs[argument] = self._piece(parameter, values[0], piece)
        else:
            record = self._record(parameter, values[0], 0)
            self._inputs[argument] = ArtifactInput(self._stored(record), _output(record))

    def perform(self) -> TaskRecord:
        """Run the stage; raises what its function raises."""
        return self._perform(StageWork(self.stage.uses, self.options), {}, self._inputs)

    def check(self, ledger: LedgerCounts) -> None:
        """Hold the counts against the piece's own and against what the stage promises, as a run does.

        Raises:
            LedgerBroken: they do not add up.
        """
        rule = self.stage.ledger
        if rule is None:
            return
        told = next((told for told in self.pieces if told.argument == rule.argument), None)
        counts = Counts()
        counts.add(ledger)
        unit = told.partitioner.unit if told is not None else "records"
        emitted = told.piece.records if told is not None else None
        check(LedgerLine(self.stage.uses, unit, emitted, counts.consumed.get(rule.argument, 0), counts), rule)

    def read(self, artifact: Artifact) -> bytes:
        """Return the bytes of a result."""
        return self.context.read(artifact)

    def _perform(
        self, work: StageWork | TransposeWork, shared: Mapping[str, Input], own: Mapping[str, Input]
    ) -> TaskRecord:
        task = TaskOrder(digest_json("try", ""), own)
        return perform(CallOrder(self.context.store.uri, "try", work, shared, (task,), "try"), task, self.context)

    def _piece(self, parameter: Parameter, value: str, number: int) -> PieceInput:
        partitioner = _partitioner_of(parameter)
        pieces = self._cut(partitioner, parameter.name, value)
        if not 1 <= number <= len(pieces):
            what = f"'{value}' has {len(pieces)} pieces, and piece {number} is asked for"
            raise OptionError(what, why="", hint=f"give --piece 1 to {len(pieces)}")
        self.pieces.append(Told(parameter.name, partitioner, pieces[number - 1], number, len(pieces)))
        return PieceInput(pieces[number - 1])

    def _cut(self, partitioner: Partitioner, argument: str, value: str) -> list[Piece]:
        access = self.context.access()
        sized: dict[str, Any] = {"size": _WHOLE} if "size" in cut_model(partitioner).model_fields else {}
        pieces: list[Piece] = []
        uri = str(Path(value).absolute()) if "://" not in value else value
        for group in partitioner.probe(Source(argument, uri, sized), access):
            indexes = [partitioner.index(part, access) for part in partitioner.index_parts(group)]
            pieces += partitioner.cut(partitioner.layout(group, indexes), **sized)
        if not pieces:
            raise BadInput(f"'{value}' has no records", why="", hint="give a file that has some", file=value)
        return pieces

    def _gathered(self, parameter: Parameter, values: Sequence[str]) -> GatherInput | PartsInput:
        records = [self._record(parameter, value, number) for number, value in enumerate(values)]
        if not records:
            return PartsInput(None, None) if parameter.type is Parts else GatherInput(_GIVEN, None, None)
        rows = [outlined.bare for outlined in write_pack(self.context.store, _GIVEN, records)]
        given = GatherInput(_GIVEN, put_selection(self.context.store, _GIVEN, rows), _output(records[0]))
        if parameter.type is not Parts:
            return given
        return PartsInput(self._stored(self._perform(TransposeWork(), {"bundles": given}, {})), None)

    def _record(self, parameter: Parameter, value: str, number: int) -> TaskRecord:
        """Return a task record as if a stage had made the file, or the files of a folder for a type of several."""
        kind, path = bare(parameter.type), _file(value)
        if is_named_tuple(kind):
            found = {name: self._artifact(_of_folder(path, name), "file") for name in outputs_of(kind)}
        elif path.is_dir():
            hint = f"'{parameter.name}' takes {show_type(parameter.type)}"
            raise BadInput(f"'{value}' is a folder, and a file is wanted", why="", hint=hint, file=value)
        else:
            found = {"": self._artifact(path, "bundle" if kind is Parts else "file")}
        return TaskRecord(digest_json("given", [parameter.name, number]), found, LedgerCounts(), Measures())

    def _artifact(self, path: Path, kind: str) -> Artifact:
        suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
        return store_one(Encoded(kind, path, suffix), self.context.objects)

    def _stored(self, record: TaskRecord) -> StoredRow:
        return StoredRow(_GIVEN, write_pack(self.context.store, _GIVEN, [record])[0].bare)


def arguments_of(stage: StageDefinition, given: Sequence[str]) -> dict[str, list[str]]:
    """Tell which argument each ``FILE`` or ``ARGUMENT=FILE`` is for.

    Raises:
        OptionError: that is not clear, or an argument that is needed got nothing.
    """
    found: dict[str, list[str]] = {}
    unnamed: list[str] = []
    for text in given:
        name, equals, value = text.partition("=")
        if equals and name in stage.inputs:
            found.setdefault(name, []).append(value)
        elif equals and not Path(text).exists():
            raise OptionError(f"{stage.uses} has no input '{name}'", why="", hint=did_you_mean(name, stage.inputs))
        else:
            unnamed.append(text)
    needed = [name for name, put in stage.inputs.items() if name not in found and not put.optional]
    if unnamed and len(needed) != 1:
        what = f"it is not clear which input '{unnamed[0]}' is"
        raise OptionError(
            what, why=_inputs(stage), hint=f"write --input {next(iter(needed or stage.inputs), 'NAME')}={unnamed[0]}"
        )
    if unnamed:
        found[needed[0]] = unnamed
        needed = []
    missing = [name for name in needed if not stage.inputs[name].gathers]
    if missing:
        raise OptionError(
            f"the input '{missing[0]}' is not given", why=_inputs(stage), hint=f"add --input {missing[0]}=FILE"
        )
    return found | {name: [] for name in needed}


def options_of(stage: StageDefinition, given: Sequence[tuple[str, str]]) -> dict[str, Json]:
    """Read options as ``with:`` in YAML would have them, and check them.

    Raises:
        OptionError: they do not fit; of several problems the first is told, and the others counted.
    """
    document = load("".join(f"{name}: {value}\n" for name, value in given) or "{}", file="--with")
    options: dict[str, Json] = {}
    if not len(document.problems):
        options = check_options(stage.options, document.value, document.problems, ())
    if found := document.problems.sorted():
        first, others = found[0], len(found) - 1
        at = first.where.get("at", "")
        what = f"option '{at}': {first.what}" if at else first.what
        raise OptionError(what, why=f"{others} more do not fit" if others else first.why, hint=first.hint)
    return options


def _inputs(stage: StageDefinition) -> str:
    return f"{stage.uses} takes {', '.join(f'{name} ({show_type(put.type)})' for name, put in stage.inputs.items())}"


def _partitioner_of(parameter: Parameter) -> Partitioner:
    fitting = [entry.thing for entry in installed_partitioners().entries if fits(entry.thing.reader, parameter.type)]
    exact = [partitioner for partitioner in fitting if partitioner.reader is bare(parameter.type)]
    if not fitting:
        shown = show_type(parameter.type)
        hint = "`flowbutton partitioners` lists those that are"
        raise OptionError(f"no installed partitioner opens {shown}", why="", hint=hint)
    return (exact or fitting)[0]


def _file(value: str) -> Path:
    path = Path(value)
    if not path.exists():
        names = [file.name for file in path.parent.glob("*")]
        raise MissingInput(f"there is no file '{value}'", why="", hint=did_you_mean(path.name, names), file=value)
    return path


def _of_folder(folder: Path, name: str) -> Path:
    """Return the one file of a folder that is called ``name``, with whatever extension."""
    found = sorted(path for path in folder.glob(f"{name}*") if path.name.partition(".")[0] == name)
    if len(found) != 1:
        why = f"there are {', '.join(path.name for path in found)}" if found else "the folder has none"
        hint = "give the folder that `flowbutton try ... --out FOLDER` made"
        raise MissingInput(f"a file '{name}' is wanted", why=why, hint=hint, file=str(folder))
    return found[0]


def _output(record: TaskRecord) -> str | None:
    """Return which output of a record is meant: its one, or all of several together."""
    return "" if set(record.artifacts) == {""} else None
