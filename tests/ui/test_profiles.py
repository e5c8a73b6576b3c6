"""Profiles of the user's own configuration, beside those of the pipeline file."""

from __future__ import annotations

import pytest


@pytest.fixture
def config(place):
    """Write the user's configuration."""

    def write(text: str) -> None:
        folder = place.folder / "config/flowbutton"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(text)

    return write


def test_a_profile_of_the_user_is_used_where_it_is_named(place, config):
    config("profiles:\n  mine: {results: of_me, executor: serial}\n")
    assert "in of_me" in place.call("run", "texts.yaml", "-q", "--profile", "mine").stdout
    assert "in results" in place.call("run", "texts.yaml", "-q").stdout


def test_the_pipeline_files_profile_goes_before_the_users_of_the_same_name(place, config):
    config("profiles:\n  one: {results: of_me, workers: 1}\n")
    assert "in of_profile" in place.call("run", "texts.yaml", "-q", "--profile", "one").stdout


def test_the_default_profile_holds_where_none_is_named(place, config):
    config("profiles:\n  mine: {results: of_me}\ndefault_profile: mine\n")
    assert "in of_me" in place.call("run", "texts.yaml", "-q").stdout
    assert "in of_profile" in place.call("run", "texts.yaml", "-q", "--profile", "one").stdout
    config("default_profile: one\n")
    assert "in of_profile" in place.call("run", "texts.yaml", "-q").stdout


def test_resources_reach_the_stages_that_there_are(place, config):
    config("profiles:\n  big: {resources: {count: {memory: 3GiB}, align: {memory: 90GiB}}}\n")
    assert place.call("run", "texts.yaml", "-q", "--profile", "big").returncode == 0
    shown = place.call("show", "--json").stdout
    assert f'"declared_bytes": {3 * 1024**3}' in shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("profiles:\n  mine:\n    wokers: 2\n", "config.yaml:3:5: profiles.mine.wokers"),
        ("profiles:\n  mine: {workers: many}\n", "config.yaml:2:19: profiles.mine.workers"),
        ("profile: {}\n", "config.yaml:1:1: profile"),
        ("profiles: {\n", "config.yaml:1:11: this '{' is not closed"),
        ("default_profile: mien\nprofiles: {mine: {}}\n", "config.yaml:1"),
    ],
)
def test_what_is_wrong_with_it_is_told_at_its_place(place, config, text, told):
    config(text)
    ended = place.call("validate", "texts.yaml")
    assert ended.returncode == 2
    assert f"{place.folder}/config/flowbutton/{told}" in ended.stderr
    assert "the pipeline has" not in ended.stderr


def test_a_configuration_that_says_nothing_yet_is_none(place, config):
    config("# default_profile: mine\n")
    assert place.call("validate", "texts.yaml").returncode == 0


def test_a_name_that_is_in_neither_is_told_with_the_nearest_of_both(place, config):
    config("profiles: {mine: {}}\n")
    assert "did you mean 'mine'?" in place.call("run", "texts.yaml", "--profile", "mien").stderr
    assert "did you mean 'one'?" in place.call("run", "texts.yaml", "--profile", "onne").stderr


def test_a_relative_configuration_folder_is_ignored_as_xdg_says(place, config):
    config("default_profile: nonsense\n")
    ended = place.call("validate", "texts.yaml", env={"XDG_CONFIG_HOME": "config", "HOME": str(place.folder / "in")})
    assert ended.returncode == 0, ended.stderr
