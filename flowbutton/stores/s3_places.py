"""URIs of S3: ``s3://[profile@]bucket/key``, and for a store ``?endpoint_url=…&region=…&conditional=no``.

Before the ``@`` stands a profile of the AWS configuration, or ``anonymous`` (requests are not signed), or
``requester-pays``, joined by ``+``. Credentials are never part of a URI: they come from the environment, the AWS
configuration, or the machine's role, wherever the URI is opened. Pure. Imports `model.errors`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from flowbutton.model.errors import OptionError

_ANONYMOUS, _REQUESTER_PAYS = "anonymous", "requester-pays"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_PROFILE = re.compile(r"[A-Za-z0-9._-]+")
_FORM = "write s3://bucket/prefix, s3://profile@bucket/prefix or s3://anonymous@bucket/prefix"


@dataclass(frozen=True, slots=True)
class S3Access:
    """How a bucket is talked to. None means: what the AWS configuration says."""

    profile: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    anonymous: bool = False
    requester_pays: bool = False


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, a key or prefix in it, and how to talk to it.

    ``authority`` is what stands before the key: ``s3://profile@bucket/``. ``conditional`` says whether the server may
    be trusted with conditional writes at all.
    """

    authority: str
    bucket: str
    key: str
    access: S3Access
    conditional: bool = True


def s3_object(uri: str) -> S3Place:
    """Take apart the URI of an object or a glob; a ``?`` in it is a letter like any other.

    Raises:
        OptionError: it names no bucket.
    """
    authority, _, key = uri[len("s3://") :].partition("/")
    flags, _, bucket = authority.rpartition("@")
    if uri[: len("s3://")].lower() != "s3://" or not _BUCKET.fullmatch(bucket):
        raise OptionError("an S3 URI names no bucket", why="", hint=_FORM, uri=_shown(uri))
    return S3Place(f"s3://{authority}/", bucket, key, _access(flags, uri))


def s3_store(uri: str) -> S3Place:
    """Take apart the URI of a store; its key ends with a slash, or is empty for a whole bucket.

    Raises:
        OptionError: it names no bucket, holds a credential, or has an option that there is not.
    """
    plain, _, query = uri.partition("?")
    place = s3_object(plain)
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = options.keys() - {"endpoint_url", "region", "conditional"}
    if unknown:
        raise OptionError(
            f"the store has no option '{min(unknown)}'",
            why="",
            hint="there are endpoint_url, region and conditional=no; credentials come from the AWS configuration",
            uri=_shown(uri),
        )
    endpoint = options.get("endpoint_url")
    if endpoint is not None and (urlsplit(endpoint).scheme not in ("http", "https") or "@" in endpoint):
        hint = "write endpoint_url=https://host:port, without a user or password"
        raise OptionError("the store's endpoint_url is no address of a server", why="", hint=hint, uri=_shown(uri))
    if options.get("conditional", "no") != "no":
        raise OptionError("'conditional' can only be 'no'", why="", hint="leave it out", uri=_shown(uri))
    key = place.key.strip("/")
    return replace(
        place,
        key=f"{key}/" if key else "",
        access=replace(place.access, endpoint_url=endpoint, region=options.get("region")),
        conditional="conditional" not in options,
    )


def _access(flags: str, uri: str) -> S3Access:
    names = [name for name in flags.split("+") if name]
    profiles = [name for name in names if name not in (_ANONYMOUS, _REQUESTER_PAYS)]
    if len(profiles) > 1 or not all(map(_PROFILE.fullmatch, profiles)) or (profiles and _ANONYMOUS in names):
        why = "before the '@' stands one profile of the AWS configuration, 'anonymous' or 'requester-pays'"
        hint = "never write a key or secret into a URI: put it into the AWS configuration"
        raise OptionError("an S3 URI can't be used", why=why, hint=hint, uri=_shown(uri))
    profile = profiles[0] if profiles else None
    return S3Access(profile, anonymous=_ANONYMOUS in names, requester_pays=_REQUESTER_PAYS in names)


def _shown(uri: str) -> str:
    """Return a URI without what stands before its '@' and after its '?': it may be a secret."""
    return re.sub(r"//.*@", "//…@", uri.partition("?")[0])  # secrets of Amazon have slashes
