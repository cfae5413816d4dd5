"""Where results lie: a folder, or a URL of an object store such as `s3://bucket/prefix`."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

REMOTE = ("s3", "s3a", "gs", "az", "abfs", "abfss")
"""Schemes of object stores: Amazon S3 and what speaks like it, Google Cloud Storage, Azure."""
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PREFIX = re.compile(r"[A-Za-z0-9._/=+,@-]*")


def is_url(results: str | Path) -> bool:
    """Whether results are named by a URL; a URL of a file counts."""
    return bool(_HAS_SCHEME.match(str(results)))


def is_remote(results: str | Path) -> bool:
    """Whether results lie in an object store."""
    return is_url(results) and urlsplit(str(results)).scheme.lower() in REMOTE


def study_place(results: str | Path, study: str) -> str:
    """Path or URL of a study's folder in the results; a URL of a file becomes a path, a path that cannot be a URL stays.

    Raises:
        ValueError: it is a URL of a file of another machine, which would become a path of this one.
    """
    if not is_url(results):
        return str(Path(results) / study)
    try:
        parts = urlsplit(str(results))
    except ValueError:
        return str(results)
    if parts.scheme.lower() == "file":
        if faults := _file_faults(parts):
            raise ValueError(faults[0])
        return str(Path(unquote(parts.path)) / study)
    return f"{str(results).rstrip('/')}/{study}"


def allowed_faults(results: str, allowed: str) -> list[str]:
    """What keeps results from lying here: they must be one of the allowed places, or lie below one.

    Args:
        results: a folder or a URL.
        allowed: folders and URLs with commas between them, as in NOISEFLOW_RESULTS.
    """
    places = [place.strip() for place in allowed.split(",") if place.strip()]
    if any(_lies_below(results, place) for place in places):
        return []
    fault = f"results must be, or lie below, a place that NOISEFLOW_RESULTS names on the worker ({allowed or 'none'})"
    return [f"{fault}; received {results!r}. Choose such a place, or have the operator add this one."]


def address_below(location: str, place: str, base: str) -> str | None:
    """The address of what lies at a path or URL, where a web server shows a place at `base`; None where it lies elsewhere."""
    if not _lies_below(location, place):
        return None
    here, there = (_steps(study_place(each, "") if is_url(each) else each) for each in (location, place))
    return "/".join([base.rstrip("/"), *map(quote, here[len(there) :])])


def base_faults(base: str) -> list[str]:
    """What keeps NOISEFLOW_PAGES from being an address that a browser can open; no message repeats what may be a secret."""
    with suppress(ValueError):
        parts = urlsplit(base)
        opens = parts.scheme in ("http", "https") and parts.hostname
        if opens and "@" not in parts.netloc and not (parts.query or parts.fragment):
            return []
    expected = "an http(s) address without a user or parameters, such as https://reports.example.org/results"
    return [f"NOISEFLOW_PAGES must be {expected}; received another. Correct it on the worker, or leave it unset."]


def real_place(results: str) -> str:
    """The place that a path leads to now, whatever becomes of the links in it; a URL stays."""
    return results if is_url(results) else str(Path(results).resolve())


def _lies_below(results: str, place: str) -> bool:
    here, there = (study_place(url, "") if is_url(url) else url for url in (results, place))  # file:///a is /a
    if is_url(here) or is_url(there):
        return (
            is_url(here)
            and is_url(there)
            and not url_faults(here)
            and _as_parts(here)[: len(_as_parts(there))] == _as_parts(there)
        )
    return Path(here).resolve().is_relative_to(Path(there).resolve())


def _steps(place: str) -> list[str]:
    return _as_parts(place) if is_url(place) else list(Path(place).resolve().parts)


def _as_parts(url: str) -> list[str]:
    """Scheme, bucket and the folders of a URL's prefix."""
    parts = urlsplit(url)
    return [parts.scheme.lower(), parts.netloc, *(part for part in parts.path.split("/") if part)]


def key_faults(url: str) -> list[str]:
    """Keys of S3 that are nowhere to be had: the client would ask Amazon's address for a machine's role, for a minute."""
    if urlsplit(url).scheme.lower() not in ("s3", "s3a"):
        return []
    there = {name.upper() for name, value in os.environ.items() if value}
    missing = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if name not in there]
    if not missing or (len(missing) == 2 and (there & _OTHER_KEYS or _has_role())):
        return []
    fault = f"results on {urlsplit(url).scheme}:// need keys; {' and '.join(missing)} are not in the environment"
    return [
        f"{fault}, and this machine has no role of Amazon's that gives them. Export them; profiles of ~/.aws are not read."
    ]


_OTHER_KEYS = {
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
    "AWS_METADATA_ENDPOINT",
}
ROLE_ADDRESS = ("169.254.169.254", 80)
"""Where a machine of Amazon's learns its role."""


@cache
def _has_role() -> bool:
    try:
        with socket.create_connection(ROLE_ADDRESS, timeout=1):
            return True
    except OSError:
        return False


def url_faults(url: str) -> list[str]:
    """What keeps results from lying at this URL, as far as the address itself shows; nothing is asked of any server.

    No message repeats what may be a secret.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() == "file":
            return _file_faults(parts)
        if parts.scheme.lower() not in REMOTE:
            known = ", ".join(f"{scheme}://" for scheme in ("file", *REMOTE))
            return [f"results must be a folder or a URL of {known}; received {parts.scheme}://. Choose one of these."]
        return _remote_faults(parts)
    except ValueError:
        return ["results must be a folder or a URL; received an address that cannot be parsed. Fix it."]


def _file_faults(parts: SplitResult) -> list[str]:
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        fault = "results must name a folder of this machine as file:///folder"
        return [f"{fault}; received the host {parts.hostname!r}. Mount it here, or leave the host out."]
    return []


def _remote_faults(parts: SplitResult) -> list[str]:
    """Faults of the URL of an object store; abfs writes its container where others have a user's name."""
    scheme = parts.scheme.lower()
    names_user = parts.password is not None or (parts.username is not None and not scheme.startswith("abfs"))
    if names_user or parts.query or parts.fragment:
        fault = f"results must be a URL without credentials or parameters; received one of {scheme}:// that has some."
        return [
            f"{fault} Give them in the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL and the like."
        ]
    if not parts.hostname:
        return [f"results must name a bucket, as in {scheme}://bucket/prefix; received none. Add it."]
    if not _PREFIX.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/")):
        fault = f"results must have a prefix of letters, digits and ._/=+,@- in {scheme}://bucket/prefix, not . or .."
        return [f"{fault}; received {parts.path!r}. Choose another."]
    return []
