"""What a user typed, fit for messages, logs and the names of files: without anything that lets somebody in."""

from __future__ import annotations

import re

URL_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp")

_WORD = r"(?:user(?:name)?|pass(?:w(?:or)?d)?|pwd|token|auth|key|secret|sig(?:nature)?|credentials?|session(?:id)?)"
# A part of a path that names a secret, as in /apikey/…, /access_token/… or /stream-key/….
_NAMES_ONE = re.compile(rf"(?i)(?:[a-z0-9]+[-_.])*(?:api|access|stream)?{_WORD}")
# A part that nobody would choose as a name: a hash, a UUID, 16 letters of both cases and digits; a suffix may follow.
_RANDOM = re.compile(
    r"(?:(?=[^.]*[0-9])(?=[^.]*[a-fA-F])[0-9a-fA-F]{16,}"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?=[^.]*[0-9])(?=[^.]*[a-z])(?=[^.]*[A-Z])[\w+=~%-]{16,})(?:\.\w{1,5})?",
    re.ASCII,
)


def redact(url: str) -> str:
    """`url` without user, password and query, and without what looks like a secret in its path.

    Greedy on purpose: everything up to the last `@` goes, because cameras accept passwords that hold `/`, `?` and `@`;
    so do `password=…` pairs, which some put into the path. Of the path goes what follows a part that names a secret,
    and a part that only a machine would choose (a hash, a UUID, 16 characters of mixed case with digits), as services
    give them out. Other parts stay: they tell one camera from another.
    """
    shown = re.sub(r"://.*@", "://***@", url, flags=re.DOTALL)
    shown = re.sub(r"[?#].*", "?***", shown, flags=re.DOTALL)
    shown = re.sub(rf"(?i)({_WORD})([a-z]*)=[^/&;_]*", r"\1\2=***", shown)
    scheme, _, address = shown.partition("://")
    host, *path = address.split("/")
    for i, part in enumerate(path):
        plain, mark, query = part.partition("?")
        if plain and ((i and _NAMES_ONE.fullmatch(path[i - 1])) or _RANDOM.fullmatch(plain)):
            path[i] = f"***{mark}{query}"
    return f"{scheme}://{'/'.join([host, *path])}"


def shown_spec(spec: str) -> str:
    """What a user typed: a URL, also one with a slip of the pen, without its credentials."""
    scheme = re.match(rf"(?i)({'|'.join(URL_SCHEMES)})(:/*|/{{2,}})", spec)
    if "://" in spec:
        return redact(spec)
    if scheme is not None:
        return redact(f"://{spec[scheme.end() :]}").replace("://", scheme[0], 1)
    return re.sub(r"[^/:]+:[^/]*@", "***@", spec)
