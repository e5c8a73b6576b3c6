"""Docstrings, taken apart."""

from __future__ import annotations

from flowbutton.model.docstrings import Docstring, read_docstring

WHOLE = """Cut it in two,
    or more.

    It may take long.

    So be it.

    Args:
        size: Wanted bytes, at least 1:
            a second line.
        *names (str): All of them.

        last:
            Below its name.
    Raises:
        OptionError: ``size`` is below 1.
    """


def test_summary_text_and_arguments():
    assert read_docstring(WHOLE) == Docstring(
        "Cut it in two, or more.",
        "It may take long.\n\nSo be it.",
        {"size": "Wanted bytes, at least 1: a second line.", "names": "All of them.", "last": "Below its name."},
    )


def test_nothing_said():
    assert read_docstring(None) == read_docstring("") == Docstring("", "", {})


def test_a_line_alone():
    assert read_docstring("Count.") == Docstring("Count.", "", {})


def test_sections_without_arguments():
    assert read_docstring("Count.\n\nRaises:\n    ValueError: never.\n") == Docstring("Count.", "", {})
