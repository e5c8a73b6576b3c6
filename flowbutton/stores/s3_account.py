"""Who talks to a bucket and where, for a client that does not read the AWS configuration itself.

Where the environment alone says it (keys, and no profile or configuration file that could say otherwise), boto3 isn't
imported: that takes 0.4 to 0.8 s. Everywhere else boto3's own client is asked, whose chain also renews what runs out.
What boto3 would do differently from a plain client (FIPS, dual stack, acceleration, another addressing) gives None.
Imports `stores.s3_client`, `stores.s3_places`; boto3 inside functions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flowbutton.stores.s3_client import client_for, session_for
from flowbutton.stores.s3_places import S3Access

_SPECIAL = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CREDENTIAL_EXPIRATION", "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT", "AWS_DATA_PATH",
)  # fmt: skip
_HOSTED = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
"""Buckets that Amazon takes as a part of the host's name, also over https."""
_LOOKED_AT_AGAIN = timedelta(minutes=6)
"""Credentials that can change are said to end after this; obstore asks again 5 minutes before, boto3 renews them 10."""

Credentials = Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Account:
    """An endpoint, its region, and what gives credentials: None for requests that are not signed.

    ``authorities`` are certificates (PEM) to be trusted besides the system's.
    """

    endpoint_url: str
    region: str
    credentials: Credentials | None
    authorities: bytes | None = None

    def endpoint_of(self, bucket: str) -> tuple[str, bool]:
        """Return where a bucket is found, and whether its name is a part of the host's: on Amazon, if it can be."""
        parts = urlsplit(self.endpoint_url)
        if not parts.netloc.endswith(".amazonaws.com") or not _HOSTED.fullmatch(bucket):
            return self.endpoint_url, False
        return f"{parts.scheme}://{bucket}.{parts.netloc}", True


def account_of(access: S3Access) -> Account | None:
    """Return the account that boto3 would use; None where only boto3 can.

    Raises:
        MissingExtra, OptionError: as `client_for`.
    """
    told = from_environment(access, os.environ)
    return told if told is not None else _from_boto3(access)


def from_environment(access: S3Access, env: Mapping[str, str]) -> Account | None:
    """Return what the environment alone says; None where a file, a profile or a role may have a say."""
    if access.profile or any(env.get(name) for name in _SPECIAL) or any(place.is_file() for place in _files(env)):
        return None
    key, secret = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")
    if not access.anonymous and not (key and secret):
        return None
    region = access.region or env.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = access.endpoint_url or _endpoint(env)
    if endpoint is None and region.startswith(("cn-", "us-iso", "eu-isoe")):
        return None
    given = {
        "access_key_id": key,
        "secret_access_key": secret,
        "token": env.get("AWS_SESSION_TOKEN"),
        "expires_at": None,
    }
    return Account(
        endpoint or f"https://s3.{region}.amazonaws.com",
        region,
        None if access.anonymous else lambda: dict(given),
        _authorities(env.get("AWS_CA_BUNDLE")),
    )


def _endpoint(env: Mapping[str, str]) -> str | None:
    if env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or None


def _files(env: Mapping[str, str]) -> list[Path]:
    home = Path(env.get("HOME", "~")).expanduser()
    names = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
    return [Path(env[name]).expanduser() if name in env else home / ".aws" / file for name, file in names.items()]


def _from_boto3(access: S3Access) -> Account | None:
    client, session = client_for(access), session_for(access)
    config = client.meta.config
    if config.s3 or getattr(config, "use_fips_endpoint", None) or getattr(config, "use_dualstack_endpoint", None):
        return None
    found: Any = None if access.anonymous else session.get_credentials()
    if found is None and not access.anonymous:
        return None  # boto3 tells what is missing

    def credentials() -> dict[str, Any]:
        now = found.get_frozen_credentials()
        until = datetime.now(UTC) + _LOOKED_AT_AGAIN
        return {
            "access_key_id": now.access_key,
            "secret_access_key": now.secret_key,
            "token": now.token,
            "expires_at": until,
        }

    bundle = session._session.get_config_variable("ca_bundle")
    return Account(
        client.meta.endpoint_url,
        client.meta.region_name,
        None if access.anonymous else credentials,
        _authorities(bundle),
    )


def _authorities(bundle: str | None) -> bytes | None:
    return Path(bundle).read_bytes() if bundle and Path(bundle).is_file() else None
