"""Which ions are looked for: targets, and the decoys that tell how many targets are found by chance.

Here: the stages `metabolomics.choose_ions`, `metabolomics.group_ions` and `metabolomics.list_decoys`, the settings that
are resolved once (charge, adducts, sigma). Not here: peaks (`isotope_peaks`), ranking (`fdr`).
Method: Palmer et al. 2017, doi:10.1038/nmeth.4072; decoys as METASPACE's engine draws them. Imports `flowbutton.model`;
numpy inside the function that draws.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, RootModel

from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.stage import Items, Scratch
from flowbutton.model.units import Unfit
from flowbutton.stages.define import gather_stage, map_stage
from flowbutton.stages.metabolomics.databases import Database
from flowbutton.stages.metabolomics.formulas import NO_ATOMS, ion_of, parse_adduct, parse_formula, write_formula

Instrument = Literal["Orbitrap", "FTICR", "TOF"]
Version = Literal[1, 3]
"""Whose rules: those of METASPACE's analysis version."""


def _charged(charge: int) -> int:
    if charge == 0:
        raise Unfit("the charge is 0: neutral molecules are not seen", "give 1 or -1")
    return charge


Charge = Annotated[int, AfterValidator(_charged)]
"""Any but 0."""

_DECOY_ELEMENTS = """
He Li Be B C N O F Ne Mg Al Si P S Cl Ar Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo
Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Sm Eu Gd Tb Dy Ho Ir Th Pt Os Yb Lu Bi Pb Re Tl Tm U W Au
Er Hf Hg Ta
"""
DECOY_ADDUCTS = tuple(f"+{element}" for element in _DECOY_ELEMENTS.split())
"""Adducts that nature does not make, in the order that the random draw starts from."""

_ADDUCTS = {1: ("+H", "+Na", "+K"), -1: ("-H", "+Cl")}
_SIGNS = {"positive": 1, "negative": -1}
# What METASPACE takes for a resolving power at m/z 200: below it, this sigma.
_SIGMAS = (
    (85_000, 0.002476),
    (120_000, 0.001733),
    (195_000, 0.001238),
    (265_000, 0.000693),
    (390_000, 0.000619),
    (625_000, 0.000347),
    (875_000, 0.000231),
)
_SMALLEST_SIGMA = 0.000173
DEFAULT_SIGMA = 0.001238
_FORMULAS_PER_GROUP = 4  # on average: fewer would be slower for each ion, more would be kept for fewer databases


class DatasetRow(BaseModel):
    """What the head of a dataset says; ``pixel_um`` is the width of a pixel in micrometres, if it is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    ordinal: int
    polarity: str
    pixel_um: float | None = None


class DatasetTable(RootModel[tuple[DatasetRow, ...]]):
    """A row per dataset of the source."""

    model_config = ConfigDict(frozen=True)


class FormulaIons(BaseModel):
    """A formula, and for each adduct, in the order given, the decoy adducts in the order drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    formula: str
    decoys: tuple[tuple[str, ...], ...]


class IonList(BaseModel):
    """All ions of an annotation, and the settings that their peaks depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    charge: int
    adducts: tuple[str, ...]
    sigma: float
    formulas: tuple[FormulaIons, ...]

    @cached_property
    def adduct_ions(self) -> dict[tuple[str, str], str | None]:
        """The ion formula of each formula with each target or decoy adduct; None where that ion can't be."""
        found: dict[tuple[str, str], str | None] = {}
        for row in self.formulas:
            atoms = parse_formula(row.formula)
            wanted = dict.fromkeys((*self.adducts, *(name for drawn in row.decoys for name in drawn)))
            found.update(((row.formula, adduct), ion_of(atoms, adduct)) for adduct in wanted)
        return found

    @cached_property
    def wanted(self) -> frozenset[str]:
        """The ion formulas of the targets and of the decoys that were drawn."""
        return frozenset(ion for ion in self.adduct_ions.values() if ion is not None)

    @cached_property
    def targets(self) -> frozenset[str]:
        """The ion formulas of the targets."""
        atoms = (parse_formula(row.formula) for row in self.formulas)
        found = (ion_of(one, adduct) for one in atoms for adduct in self.adducts)
        return frozenset(ion for ion in found if ion is not None)


class IonGroup(BaseModel):
    """Ion formulas whose peaks one task computes, and all that they depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ions: tuple[str, ...]
    charge: int
    sigma: float


@gather_stage("metabolomics.choose_ions")
def choose_ions(
    databases: Sequence[Database],
    datasets: DatasetTable,
    scratch: Scratch,
    *,
    charge: Charge | None = None,
    adducts: Sequence[str] | None = None,
    isocalc_sigma: float | None = None,
    resolving_power: int | None = None,
    decoy_sample_size: int = 20,
    decoy_seed: int = 42,
    analysis_version: Version = 1,
) -> Path:
    """Choose the ions: each distinct formula with each adduct, and decoys, drawn once over the sorted formulas.

    Args:
        databases: Whose formulas are looked for.
        datasets: What the dataset's head says; its polarity gives the charge where none is given.
        scratch: Where the list is written.
        charge: +1 or -1 (or more).
        adducts: ``+H``, ``+Na``, ``+K`` for a positive charge, ``-H``, ``+Cl`` for a negative one, if not given.
        isocalc_sigma: Width of a peak at the most probable mass.
        resolving_power: At m/z 200, instead of it; taken for the sigma that METASPACE takes for it.
        decoy_sample_size: Decoys per formula and adduct.
        decoy_seed: What the draw starts from.
        analysis_version: 1 draws for each adduct anew, 3 once per formula.

    Raises:
        BadInput: the polarity is not known, and no charge is given; it is the other one; there are several datasets.
        OptionError: an option can't be used.
    """
    if decoy_sample_size < 1:
        raise OptionError(
            f"{decoy_sample_size} decoys can't be drawn", why="", hint="take 1 or more; METASPACE takes 20"
        )
    chosen = _charge(datasets, charge)
    named = tuple(adducts) if adducts else _usual(chosen)
    _check_adducts(named, chosen, decoy_sample_size)
    formulas = sorted({molecule.formula for database in databases for molecule in database.molecules})
    draws = _draw(len(formulas), named, decoy_sample_size, decoy_seed, shared=analysis_version == 3)
    rows = tuple(FormulaIons(formula=formula, decoys=drawn) for formula, drawn in zip(formulas, draws, strict=True))
    sigma = _sigma(isocalc_sigma, resolving_power)
    ions = IonList(charge=chosen, adducts=named, sigma=sigma, formulas=rows)
    if not ions.targets:
        raise BadInput(
            "no ion can be made of these formulas and adducts",
            why=f"no formula has the atoms that {', '.join(named)} takes away",
            hint="give other adducts",
        )
    path = Path(scratch) / "ions.json"
    path.write_text(ions.model_dump_json())
    return path


@map_stage("metabolomics.group_ions")
def group_ions(ions: Path) -> Items[IonGroup]:
    """Put together the ions of a few formulas: with the usual adducts, and with all that a decoy may have.

    So a group depends on the charge and its formulas alone: another seed or another number of decoys draws other ions
    of the same groups. Where a group ends is told by its last formula, so one formula more changes the group that it
    falls into, and no other. Adducts that are not usual make groups of their own.

    Args:
        ions: The list by `metabolomics.choose_ions`.
    """
    listed = IonList.model_validate_json(ions.read_bytes())
    usual = (*_usual(listed.charge), *DECOY_ADDUCTS)
    others = tuple(adduct for adduct in listed.adducts if adduct not in usual)
    molecules = {write_formula(atoms): atoms for atoms in (parse_formula(row.formula) for row in listed.formulas)}
    groups = []
    for formulas in _few(sorted(molecules)):
        for kind, adducts in (("usual", usual), ("other", others)):
            made = (ion_of(molecules[formula], adduct) for formula in formulas for adduct in adducts)
            if distinct := tuple(dict.fromkeys(ion for ion in made if ion is not None)):
                group = IonGroup(ions=distinct, charge=listed.charge, sigma=listed.sigma)
                groups.append(({"first": formulas[0], "adducts": kind}, group))
    return Items(tuple(groups))


def _few(formulas: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the formulas in groups, each up to one whose checksum says that it is the last: each fourth, by chance."""
    start = 0
    for stop, formula in enumerate(formulas, 1):
        if zlib.crc32(formula.encode()) % _FORMULAS_PER_GROUP == 0 or stop == len(formulas):
            yield formulas[start:stop]
            start = stop


@map_stage("metabolomics.list_decoys")
def list_decoys(ions: Path, scratch: Scratch) -> Path:
    """Write the decoys as CSV, in the order in which they were drawn: formula, adduct, decoy_adduct.

    Args:
        ions: The list by `metabolomics.choose_ions`.
        scratch: Where it is written.
    """
    listed = IonList.model_validate_json(ions.read_bytes())
    path = Path(scratch) / "decoys.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["formula", "adduct", "decoy_adduct"])
        for row in listed.formulas:
            for adduct, drawn in zip(listed.adducts, row.decoys, strict=True):
                rows.writerows([row.formula, adduct, decoy] for decoy in drawn)
    return path


def sigma_of(resolving_power: int) -> float:
    """Return the sigma that METASPACE takes for a resolving power at m/z 200."""
    return next((sigma for limit, sigma in _SIGMAS if resolving_power < limit), _SMALLEST_SIGMA)


def _sigma(isocalc_sigma: float | None, resolving_power: int | None) -> float:
    if isocalc_sigma is not None and resolving_power is not None:
        what = "both isocalc_sigma and resolving_power are given"
        raise OptionError(what, why="one follows from the other", hint="give one of them")
    given = DEFAULT_SIGMA if isocalc_sigma is None else isocalc_sigma
    sigma = given if resolving_power is None else sigma_of(resolving_power)
    if not 0 < sigma < 1 or (resolving_power is not None and resolving_power < 1):
        raise OptionError(
            "this is no width of a peak", why=f"sigma is {sigma}", hint="METASPACE's is 0.000173 to 0.0025"
        )
    return sigma


def _charge(datasets: DatasetTable, charge: int | None) -> int:
    if len(datasets.root) != 1:
        raise BadInput(
            f"{len(datasets.root)} datasets are given", why="one is annotated at a time", hint="give one .imzML"
        )
    (dataset,) = datasets.root
    told = _SIGNS.get(dataset.polarity)
    if charge is None and told is None:
        raise BadInput(
            f"the polarity of the dataset is {dataset.polarity}",
            why="the head of the imzML tells none, or both",
            hint="give it: charge=1 or charge=-1",
            file=dataset.file,
        )
    if charge is not None and told is not None and (charge > 0) != (told > 0):
        raise BadInput(
            f"the charge is {charge:+d}, but the dataset is {dataset.polarity}",
            why="the head of the imzML says so",
            hint="give the other charge, or none",
            file=dataset.file,
        )
    return charge if charge is not None else told or 0


def _usual(charge: int) -> tuple[str, ...]:
    return _ADDUCTS[1 if charge > 0 else -1]


def _check_adducts(adducts: Sequence[str], charge: int, decoys: int) -> None:
    if len(set(adducts)) != len(adducts):
        raise OptionError(f"an adduct is given twice: {', '.join(adducts)}", why="", hint="give each once")
    for adduct in adducts:
        parse_adduct(adduct)
        if NO_ATOMS.get(adduct, charge) * charge < 0:
            raise OptionError(
                f"the adduct {adduct} has another charge than the ions",
                why=f"theirs is {charge:+d}",
                hint="leave it out",
            )
    most = len(_candidates(adducts))
    if decoys > most:
        what = f"{decoys} decoys for each formula and adduct can't be drawn"
        raise OptionError(what, why=f"there are {most} decoy adducts", hint=f"take {most} or fewer; METASPACE takes 20")


def _candidates(adducts: Sequence[str]) -> list[str]:
    return [adduct for adduct in DECOY_ADDUCTS if adduct not in adducts]


def _draw(
    formulas: int, adducts: Sequence[str], size: int, seed: int, *, shared: bool
) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Yield for each formula the decoys of each adduct: one sequence of random numbers over all of them."""
    import numpy as np

    random = np.random.RandomState(seed)
    candidates = _candidates(adducts)

    def draw() -> tuple[str, ...]:
        shuffled = [*candidates]
        random.shuffle(shuffled)
        return tuple(shuffled[:size])

    for _ in range(formulas):
        yield (draw(),) * len(adducts) if shared else tuple(draw() for _ in adducts)
