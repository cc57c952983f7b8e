"""The border to foreign libraries: whatever they raise reaches the user as one of our errors.

Decoders, parsers and engines raise nearly anything on damaged input. Code that hands them a file of the user's does it
inside `foreign`, which names the library, the file and the fix; nothing else catches `Exception`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from stc.errors import InputError, StcError

OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}  # whatever was written
LONGEST = 300  # characters of a foreign message that are shown; some libraries print whole structures


@contextmanager
def foreign(library: str, subject: object, fix: str, error: type[StcError] = InputError) -> Iterator[None]:
    """Turn every exception of the block into `error`: "SUBJECT: LIBRARY cannot use it (REASON); FIX".

    Our own errors pass as they are, and so does ImportError: the command line names the extra that brings a package.

    Args:
        library: what a user knows it by, such as "PyAV".
        subject: the file or address, fit for a message (no credentials).
        fix: the one command that helps, such as "check it with: ffprobe clip.mp4".
        error: the class to raise; IncompatibleError for an artefact of ours that was altered.
    """
    try:
        yield
    except (StcError, ImportError):
        raise
    except Exception as cause:
        raise error(f"{subject}: {library} cannot use it ({reason(cause)}); {fix}") from cause


def reason(cause: BaseException) -> str:
    """What an exception says, as one bounded line: the system's own words where it has them, else its class too.

    Texts of PyAV and OSError repeat the path or address that failed; their `strerror` does not.
    """
    words = getattr(cause, "strerror", None)
    if not isinstance(words, str) or not words:
        said = " ".join(str(cause).split())
        words = f"{type(cause).__name__}: {said}" if said else type(cause).__name__
    shown = "".join(c if c.isprintable() else "?" for c in words)
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"
