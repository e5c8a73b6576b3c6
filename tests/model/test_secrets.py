"""Credentials of the environment are known by their names, and stand in nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowbutton.model.secrets import credentials, redacted, redacted_bytes, redacted_within


def test_names_of_credentials_and_of_what_only_looks_so() -> None:
    secret = dict.fromkeys(
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "REDISCLI_AUTH", "PGPASSWORD", "HF_TOKEN",
         "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_CLIENT_SECRET", "my_api_key"), "x" * 8
    )  # fmt: skip
    plain = dict.fromkeys(("HOME", "SSH_AUTH_SOCK", "AWS_WEB_IDENTITY_TOKEN_FILE", "KEY_BINDINGS", "AUTHOR"), "x" * 8)
    assert credentials(secret | plain) == secret
    assert credentials({"HF_TOKEN": "short"}) == {}


@given(st.lists(st.text("ab/+", min_size=8, max_size=12), max_size=3), st.lists(st.text("ab/+ ", max_size=5)))
def test_no_value_is_left(secrets: list[str], words: list[str]) -> None:
    values = {f"S{number}": secret for number, secret in enumerate(secrets)}
    text = "-".join(word + secret for word, secret in zip([*words, *secrets], [*secrets, *secrets], strict=False))
    found = redacted(text, values)
    assert not any(secret in found for secret in secrets)
    assert redacted_bytes(text.encode(), values) == found.encode()
    assert redacted_within({"a": [text, 1, None]}, values) == {"a": [found, 1, None]}


ADDRESS = "https://h/a.fq?X-Amz-Credential=AK%2F1%2Fus&X-Amz-Expires=3600&X-Amz-Signature=0123abcd"


def test_of_a_signed_address_the_rest_is_told() -> None:
    told = "https://h/a.fq?X-Amz-Credential=…&X-Amz-Expires=3600&X-Amz-Signature=…"
    assert redacted(f"GET {ADDRESS}, then '{ADDRESS}'", {}) == f"GET {told}, then '{told}'"
    assert redacted_bytes(f"\xff {ADDRESS}\n".encode(), {}) == f"\xff {told}\n".encode()
    assert redacted_within([{"uri": f"{ADDRESS},{ADDRESS}"}], {}) == [{"uri": f"{told},{told}"}]
    assert redacted("http://h/x?sv=2024&sig=ab%2Bcd%3D%3D1#top", {}) == "http://h/x?sv=2024&sig=…#top"


@given(st.sampled_from(["a?token=01234567", "https://h/b?key=short", "https://h/c?monkey_id=01234567", "\udcff?", "?"]))
def test_what_only_looks_so_stays(text: str) -> None:
    assert redacted(text, {}) == text


def test_the_longer_of_two_values_goes_first() -> None:
    assert redacted("abcdefgh12", {"A": "abcdefgh", "B": "abcdefgh12"}) == "${env:B}"
