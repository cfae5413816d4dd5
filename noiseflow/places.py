"""Where results lie: a folder, or a URL of an object store such as `s3://bucket/prefix`."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

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
    """Path or URL of a study's folder in the results; a URL of a file becomes a path, a path that cannot be a URL stays."""
    if not is_url(results):
        return str(Path(results) / study)
    try:
        parts = urlsplit(str(results))
    except ValueError:
        return str(results)
    if parts.scheme.lower() == "file":
        return str(Path(unquote(parts.path)) / study)
    return f"{str(results).rstrip('/')}/{study}"


def url_faults(url: str) -> list[str]:
    """What keeps results from lying at this URL, as far as the address itself tells; nothing is asked of any server.

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
        return ["results must be a folder or a URL; received an address that cannot be parsed. Mend it."]


def _file_faults(parts: SplitResult) -> list[str]:
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        return [f"results must name a file of this machine as file:///folder; received the host {parts.hostname!r}."]
    return []


def _remote_faults(parts: SplitResult) -> list[str]:
    """Faults of the URL of an object store; abfs writes its container where others have a user's name."""
    scheme = parts.scheme.lower()
    names_user = parts.password is not None or (parts.username is not None and not scheme.startswith("abfs"))
    if names_user or parts.query or parts.fragment:
        told = f"results must be a URL without credentials or parameters; received one of {scheme}:// that has some."
        return [
            f"{told} Give them in the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL and the like."
        ]
    if not parts.hostname:
        return [f"results must name a bucket, as in {scheme}://bucket/prefix; received none. Add it."]
    if not _PREFIX.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/")):
        told = f"results must have a prefix of letters, digits and ._/=+,@- in {scheme}://bucket/prefix, not . or .."
        return [f"{told}; received {parts.path!r}. Choose another."]
    return []
