"""Formulas, adducts, databases, decoys."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metabolomics_driver import whole_file

from flowbutton.model.errors import BadInput, MalformedRecord, OptionError
from flowbutton.model.stage import Scratch
from flowbutton.stages import metabolomics
from flowbutton.stages.metabolomics.databases import Database, Molecule
from flowbutton.stages.metabolomics.formulas import ion_of, parse_adduct, parse_formula, read_written, write_formula
from flowbutton.stages.metabolomics.ions import DECOY_ADDUCTS, DatasetTable, IonList, sigma_of
from flowbutton.stages.metabolomics.isotope_table import ISOTOPES


@given(atoms=st.dictionaries(st.sampled_from(sorted(ISOTOPES)), st.integers(1, 300), min_size=1))
def test_a_formula_that_is_written_is_read_again(atoms: dict[str, int]) -> None:
    assert dict(parse_formula(write_formula(atoms))) == atoms
    assert [*read_written(write_formula(atoms)).items()] == [*parse_formula(write_formula(atoms)).items()]


def test_the_order_of_elements() -> None:
    assert write_formula(parse_formula("Na1ClS2PO3N4H5C6Br")) == "C6H5N4O3PS2BrClNa"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "empty"),
        (" . ", "empty"),
        ("C6H12(OH)2", "parentheses"),
        ("C6H12Qq", "no element 'Qq'"),
        ("C6H12C2", "'C' is there twice"),
        ("C6H0", "no atom of 'H'"),
        ("6CH", "it has '6'"),
        ("C6H12+", r"it has '\+'"),
        ("n/a", "it has 'n'"),
        ("C6 H12", "it has ' '"),
        ("CaCl2.2H2O", "it has '.2': the number would become part of the count before it"),
        ("C" + "9" * 5000, "more atoms of 'C'"),
    ],
)
def test_formulas_that_cannot_be_read(text: str, match: str) -> None:
    with pytest.raises(MalformedRecord, match=match):
        parse_formula(text)


def test_dots_and_equals_signs_are_left_out() -> None:
    assert dict(parse_formula("C6H5.ONa")) == {"C": 6, "H": 5, "O": 1, "Na": 1}


@pytest.mark.parametrize(
    ("formula", "adduct", "ion"),
    [
        ("C3H6O3", "+Na", "C3H6O3Na"),
        ("C3H5O3Na", "+H", "C3H6O3Na"),
        ("C3H6O3", "-H", "C3H5O3"),
        ("CCl4", "-H", None),
        ("H", "-H", None),
        ("C2H7N", "-H2O+H", None),
        ("C6H12O6", "-H2O+H", "C6H11O5"),
        ("C6H12O6", "+NH4", "C6H16NO6"),
        ("C3H6O3", "+HCOO", "C4H7O5"),
        ("C3H6O3", "[M]+", "C3H6O3"),
        ("C3H6O3", "[M]-", "C3H6O3"),
        ("CCl4", "-H+H2", None),
        ("CCl4", "+H2-H", "CHCl4"),
    ],
)
def test_ions(formula: str, adduct: str, ion: str | None) -> None:
    assert ion_of(parse_formula(formula), adduct) == ion


@pytest.mark.parametrize("adduct", ["H", "", "+", "+Qq", "+H-", "M+H", "[M+H]+", "+H(2)"])
def test_adducts_that_cannot_be_read(adduct: str) -> None:
    with pytest.raises(OptionError):
        parse_adduct(adduct)


def read(path: Path, text: str | bytes) -> Database:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    database = metabolomics.read_database(whole_file(path))
    assert isinstance(database, Database)
    return database


@pytest.mark.parametrize(
    "text",
    [
        'id,name,formula\nA1,water,H2O\nA2,"salt, table",NaCl\n',
        "\ufeffFormula\tName\tID\r\nH2O\twater\tA1\r\n\r\nNaCl\tsalt, table\tA2\r\n",
        "sf;mol_name;molecule_id\nH2O;water;A1\nNaCl;salt, table;A2",
        '\r\n ,,\r\nHMDB_ID,CHEMICAL_FORMULA,Common Name\r\nA1,H2O,water\r\nA2,NaCl,"salt, table"\r\n',
        "Compound Name\tCompound ID\tMolecular Formula\rwater\tA1\tH2O\rsalt, table\tA2\tNaCl\r",
    ],
)
def test_tables_of_molecules(tmp_path: Path, text: str) -> None:
    found = read(tmp_path / "db.csv", text)
    assert found.molecules == (
        Molecule(formula="H2O", name="water", id="A1"),
        Molecule(formula="NaCl", name="salt, table", id="A2"),
    )


def test_bad_formulas_are_listed_with_their_lines(tmp_path: Path) -> None:
    found = read(tmp_path / "db.csv", "formula,name\nH2O,a\nH2(O,b\n\nQq,c\nH2H,d\nCO2\n")
    assert [molecule.formula for molecule in found.molecules] == ["H2O", "CO2"]
    assert [(bad.line, bad.formula) for bad in found.left_out] == [(3, "H2(O"), (5, "Qq"), (6, "H2H")]
    assert found.molecules[1].name == "CO2"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"", "a database is empty"),
        (b"formula,name\n", "a database is empty"),
        (b"name,mass\nwater,18\n", "no column of formulas"),
        (b"formula\nH2(O\nXx\n", r"no formula of a database.*line 2: 'H2\(O'.*line 3: 'Xx'"),
        (b"formula\n\xff\xfe\n", "not text in UTF-8"),
        (b'formula,name\nH2O,"' + b"x" * 140_000, "a row of a database can't be read"),
    ],
)
def test_databases_of_no_use(tmp_path: Path, text: bytes, match: str) -> None:
    with pytest.raises(BadInput, match=match) as caught:
        read(tmp_path / "db.csv", text)
    assert caught.value.where["file"] in ("db.csv", str(tmp_path / "db.csv"))


def test_a_quotation_mark_that_is_not_closed_takes_no_rows_away(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a row of a database can't be read") as caught:
        read(tmp_path / "db.csv", 'formula,name\nH2O,"a\nb"\nCO2,"c\nCH4,d\nNH3,e\n')
    assert caught.value.where["line"] == 4


def choose(folder: Path, formulas: list[str], polarity: str = "positive", **options: object) -> IonList:
    folder.mkdir(exist_ok=True)
    database = Database(
        name="db", molecules=tuple(Molecule(formula=text, name=text, id="") for text in formulas), left_out=()
    )
    table = DatasetTable.model_validate([{"file": "x.imzML", "ordinal": 0, "polarity": polarity}])
    path = metabolomics.choose_ions([database], table, Scratch(str(folder)), **options)
    return IonList.model_validate_json(path.read_bytes())


def test_the_order_of_a_database_does_not_matter(tmp_path: Path) -> None:
    formulas = ["H2O", "CO2", "C6H12O6", "NaCl"]
    assert choose(tmp_path, formulas) == choose(tmp_path, formulas[::-1] + formulas[:2])


def test_targets_are_no_decoys_and_an_ion_that_cannot_be_has_decoys(tmp_path: Path) -> None:
    ions = choose(tmp_path, ["CCl4", "C6H12O6"], "negative")
    assert (ions.charge, ions.adducts) == (-1, ("-H", "+Cl"))
    assert ions.adduct_ions["CCl4", "-H"] is None
    (row,) = (row for row in ions.formulas if row.formula == "CCl4")
    assert [len(drawn) for drawn in row.decoys] == [20, 20]
    assert all(set(drawn) <= set(DECOY_ADDUCTS) - {"+Cl"} for drawn in row.decoys)
    assert ions.targets == {"C6H11O6", "C6H12O6Cl", "CCl5"}


def test_version_3_draws_once_per_formula(tmp_path: Path) -> None:
    one, three = (choose(tmp_path, ["C6H12O6"], analysis_version=version).formulas[0].decoys for version in (1, 3))
    assert len(set(one)) == 3
    assert len(set(three)) == 1
    assert one[0] == three[0]


@pytest.mark.parametrize(
    ("polarity", "options", "match"),
    [
        ("unknown", {}, "polarity of the dataset is unknown"),
        ("mixed", {}, "polarity of the dataset is mixed"),
        ("negative", {"charge": 1}, "but the dataset is negative"),
        ("positive", {"adducts": ["+H", "+H"]}, "given twice"),
        ("positive", {"adducts": ["+Zz"]}, "can't be read"),
        ("positive", {"adducts": ["-Na"]}, "no ion can be made"),
        ("positive", {"decoy_sample_size": 0}, "0 decoys can't be drawn"),
        ("positive", {"isocalc_sigma": 0.001, "resolving_power": 100_000}, "both"),
        ("positive", {"isocalc_sigma": -1.0}, "no width"),
        ("positive", {"isocalc_sigma": 0.0}, "no width"),
        ("positive", {"adducts": ["+H", "[M]-"]}, r"\[M\]- has another charge"),
        ("positive", {"decoy_sample_size": 81}, "there are 80 decoy adducts"),
        ("negative", {"decoy_sample_size": 80}, "there are 79 decoy adducts"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, polarity: str, options: dict[str, object], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        choose(tmp_path, ["C6H12O6"], polarity, **options)


def test_a_charge_may_be_given_where_the_dataset_is_silent(tmp_path: Path) -> None:
    assert choose(tmp_path, ["C6H12O6"], "unknown", charge=-1).adducts == ("-H", "+Cl")


def test_several_datasets_are_refused(tmp_path: Path) -> None:
    rows = [{"file": f"{n}.imzML", "ordinal": n, "polarity": "positive"} for n in range(2)]
    with pytest.raises(BadInput, match="2 datasets"):
        metabolomics.choose_ions([], DatasetTable.model_validate(rows), Scratch(str(tmp_path)))


@pytest.mark.parametrize(
    ("power", "sigma"),
    [(70_000, 0.002476), (100_000, 0.001733), (140_000, 0.001238), (194_999, 0.001238), (195_000, 0.000693)],
)
def test_resolving_powers(power: int, sigma: float) -> None:
    assert sigma_of(power) == sigma


FORMULAS = tuple(f"C{carbon}H{hydrogen}O3" for carbon in range(3, 9) for hydrogen in range(2, 9))


@settings(deadline=None, max_examples=20)
@given(
    formulas=st.lists(st.sampled_from(FORMULAS), min_size=1, unique=True),
    more=st.sampled_from([*FORMULAS, "CCl4", "Zn"]),
    adducts=st.lists(st.sampled_from(["+H", "+Na", "+NH4", "-H2O+H"]), min_size=1, unique=True),
    size=st.integers(1, 70),
    seed=st.integers(0, 9),
)
def test_one_formula_more_and_another_draw_change_one_group(
    tmp_path_factory: pytest.TempPathFactory,
    formulas: list[str],
    more: str,
    adducts: list[str],
    size: int,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("ions")
    ions = choose(folder, formulas, adducts=adducts)
    groups = {group for _, group in metabolomics.group_ions(folder / "ions.json").rows}
    assert ions.wanted <= {ion for group in groups for ion in group.ions}
    choose(folder, [*formulas, more], adducts=adducts, decoy_sample_size=size, decoy_seed=seed)
    then = {group for _, group in metabolomics.group_ions(folder / "ions.json").rows}
    kinds = 2 if {"+NH4", "-H2O+H"} & {*adducts} else 1
    assert len(groups - then) <= kinds
    assert len(then - groups) <= 2 * kinds  # the one that it falls into may become two


def test_formulas_of_the_same_atoms_are_one(tmp_path: Path) -> None:
    choose(tmp_path, ["C3H6O3", "C3O3H6"])
    ((key, group),) = metabolomics.group_ions(tmp_path / "ions.json").rows
    assert key == {"first": "C3H6O3", "adducts": "usual"}
    assert len(group.ions) == 83
