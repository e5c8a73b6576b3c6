"""Calls to S3 by boto3: one client per process and way of access, with time limits, repeats, and errors that teach.

boto3's own repeats are off: it repeats no broken body, and takes minutes where seconds are wanted. boto3 is imported at
the first call. Checksums of uploads are the signed SHA-256 of the payload, which every server checks; boto3's newer
ones are off, since servers other than Amazon's refuse them over https (boto/boto3#4398).
Imports `model`, `stores.s3_places`.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from flowbutton.model.errors import FlowbuttonError, NoSpace, OptionError, Throttled
from flowbutton.model.extras import missing_extra
from flowbutton.stores.s3_places import S3Access, S3Place

T = TypeVar("T")

CONNECT_S, ANSWER_S = 5, 60
"""Seconds until a connection stands, and between two packets of an answer."""
TRIES = 7
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
CONNECTIONS = 32

_made: dict[Hashable, Any] = {}
_lock = threading.RLock()
_CREDENTIALS = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "AuthFailure"
}  # fmt: skip
_FORBIDDEN = {"AccessDenied", "403", "AllAccessDisabled", "AccountProblem", "Forbidden"}
_RIGHTS = {
    "GetObject": "s3:GetObject and s3:ListBucket",
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "DeleteObject": "s3:DeleteObject",
    "CopyObject": "s3:PutObject there and s3:GetObject on what is copied",
    "UploadPartCopy": "s3:PutObject there and s3:GetObject on what is copied",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
}
"""What a refused call needs; all others need s3:PutObject."""
_FULL = {"QuotaExceeded", "InsufficientStorage", "EntityTooLarge", "507", "XMinioStorageFull"}
_DISTRUST = ("CERTIFICATE_VERIFY_FAILED", "[X509", "[Errno 2]", "[Errno 13]", "invalid path")
_SKEWED = "RequestTimeTooSkewed"
_BUSY = {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", _SKEWED, "OperationAborted"}


def forget_clients() -> None:
    """Make clients anew when they are asked for next: the environment changed, or this is a forked child."""
    global _lock
    _lock = threading.RLock()  # the parent's may have been held when it forked
    _made.clear()


os.register_at_fork(after_in_child=forget_clients)  # the connections are the parent's


def once(name: Hashable, make: Callable[[], T]) -> T:
    """Return what ``make`` makes, the same for all of this process who ask by that name."""
    quick: T | None = _made.get(name)  # a lock is what a small read waits for longest
    if quick is not None:
        return quick
    with _lock:
        if name not in _made:
            _made[name] = make()
        found: T = _made[name]
        return found


def client_for(access: S3Access) -> Any:
    """Return this process's client of boto3.

    Raises:
        MissingExtra: boto3 is not installed.
        OptionError: the profile does not exist, or the AWS configuration can't be read.
    """
    return once(("client", access), lambda: _make(access))[1]


def session_for(access: S3Access) -> Any:
    """Return the session of `client_for`'s client, which has its credentials. Raises as `client_for`."""
    return once(("client", access), lambda: _make(access))[0]


def _make(access: S3Access) -> tuple[Any, Any]:
    try:
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError as error:
        raise missing_extra(error, "store 's3'", wanted_by="s3") from error
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=ANSWER_S,
        retries={"total_max_attempts": 1},
        max_pool_connections=CONNECTIONS,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version=UNSIGNED if access.anonymous else None,
    )
    try:
        session = boto3.Session(profile_name=access.profile, region_name=access.region)
        region = session.region_name or "us-east-1"
        return session, session.client("s3", endpoint_url=access.endpoint_url, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        hint = "look at the AWS configuration: ~/.aws/config, AWS_PROFILE, AWS_ENDPOINT_URL"
        raise OptionError("no S3 client can be made", why=str(error), hint=hint) from error


def code_of(error: Exception) -> str:
    """Return what S3 calls an error: ``NoSuchKey``; the status where it has no name, empty where there is no answer."""
    response = getattr(error, "response", None)
    return str(response["Error"].get("Code", "")) if isinstance(response, dict) and "Error" in response else ""


def status_of(error: Exception) -> int:
    """Return the HTTP status of an answer, 0 where there is none."""
    response = getattr(error, "response", None)
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) if isinstance(response, dict) else 0


def is_missing(error: Exception) -> bool:
    """Return whether S3 says that there is no such key; not, that there is no such bucket."""
    return code_of(error) in ("NoSuchKey", "404", "NotFound")


def is_of_s3(error: Exception) -> bool:
    """Return whether an error is one of S3's or its client's, for `explaining`."""
    from botocore.exceptions import BotoCoreError, ClientError

    return isinstance(error, Unanswered | BotoCoreError | ClientError)


class Unanswered(Exception):
    """No answer came, or one that does not tell whether the call was done; ``__cause__`` is the last of them."""


def repeated(call: Callable[[], T], *, tries: int = TRIES, pause: Callable[[float], None] = time.sleep) -> T:
    """Return what ``call`` returns; repeat it after cut connections, throttling and faults of the server.

    Raises:
        Unanswered: all tries failed so.
        botocore.exceptions.ClientError, BotoCoreError: what repeating does not change.
    """
    for number in range(tries):
        try:
            return call()
        except Exception as error:
            if not _may_pass(error):
                raise
            if number + 1 == tries:
                raise Unanswered(_told(error)) from error
            pause(random.uniform(0.5, 1) * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**number))
    raise AssertionError("at least one try")


def _may_pass(error: Exception) -> bool:
    from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError, ResponseStreamingError
    from botocore.exceptions import ConnectionError as NoConnection
    from urllib3.exceptions import HTTPError

    if is_distrust(error):
        return False
    if isinstance(error, ClientError):
        status = status_of(error)
        return (status >= 500 and status != 507) or status == 429 or code_of(error) in _BUSY
    cut = (HTTPClientError, NoConnection, IncompleteReadError, ResponseStreamingError, HTTPError, ShortAnswer)
    return isinstance(error, (*cut, ConnectionError))


def is_distrust(error: Exception) -> bool:
    """Return whether a server's certificate is not trusted here, or the file of authorities can't be read."""
    from botocore.exceptions import SSLError

    return isinstance(error, SSLError) and any(sign in str(error) for sign in _DISTRUST)


class ShortAnswer(Exception):
    """An answer has fewer bytes than it says that the range has."""


def _told(error: Exception) -> str:
    return code_of(error) or f"{type(error).__name__}: {error}"


def _said(error: Exception) -> str:
    """Return the code of an error and what the server says to it: on Amazon who may not do what to what, and why."""
    response: Any = getattr(error, "response", {})
    code, message = code_of(error), response["Error"].get("Message")
    return f"{code} ({message})" if message and message not in (code, "Forbidden", "Access Denied") else code


class explaining:  # noqa: N801  It stands after `with`, where a generator would take longer.
    """Say what errors of S3 mean to who runs the pipeline; all others pass as they are."""

    __slots__ = ("_key", "_place")

    def __init__(self, place: S3Place, key: str) -> None:
        self._place, self._key = place, key

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raise what an error of S3 means, if there is one."""
        if isinstance(error, Exception) and not isinstance(error, FlowbuttonError) and is_of_s3(error):
            raise _explained(error, self._place, self._key) from error


def _explained(error: Exception, place: S3Place, key: str) -> FlowbuttonError:
    """Return what an error of S3 means to who runs the pipeline. It names no credential."""
    where = ({"key": key} if key else {}) | {"bucket": place.bucket}
    if str(error) == _SKEWED:
        hint = "set the clock by the network: timedatectl set-ntp true"
        return OptionError("the clock of this machine, or the S3 server's, is wrong", why=_SKEWED, hint=hint, **where)
    if is_distrust(error):
        hint = "let AWS_CA_BUNDLE, or the profile's ca_bundle, name a file with the certificate of your authority"
        return OptionError("the S3 server's certificate is not trusted", why=_told(error), hint=hint, **where)
    if isinstance(error, Unanswered):
        why, hint = str(error), "check that the endpoint is right and the server is up, then run again"
        return Throttled("the S3 server does not answer", why=why, hint=hint, **where)
    code = code_of(error)
    if code == "NoSuchBucket":
        hint = f"create it (aws s3 mb s3://{place.bucket}), or check the name and the endpoint"
        return OptionError("the bucket does not exist", why=code, hint=hint, **where)
    if code in _FULL or status_of(error) == 507:
        return NoSpace("the S3 server has no more room", why=code, hint="make room or raise the quota", **where)
    if code in _CREDENTIALS or type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        hint = f"look at AWS_PROFILE and ~/.aws; a public bucket is written s3://anonymous@{place.bucket}/…"
        return OptionError("S3 does not accept the credentials", why=code or _told(error), hint=hint, **where)
    if code in _FORBIDDEN:
        asked = getattr(error, "operation_name", "")
        hint = f"ask who owns the bucket for {_RIGHTS.get(asked, 's3:PutObject')}, or look at AWS_PROFILE"
        return OptionError("S3 does not allow it", why=f"{asked}: {_said(error)}", hint=hint, **where)
    return OptionError("S3 refuses a request", why=_told(error), hint="look at the store's URI and endpoint", **where)
