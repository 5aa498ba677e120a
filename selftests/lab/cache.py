# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are costly to make, kept under a name that says what went into them.

A file appears under its name only when complete (it is renamed into place), so a reader needs
no lock; the lock only keeps two labs from making the same file at once.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time

# Files not used for so long are removed when a new one is made.
KEEP_SECONDS = 14 * 24 * 3600


class LabError(Exception):
    """The lab cannot do its work; the message says what to do."""


def say(text):
    """Progress, for the person who waits; never on stdout, which is the script's."""
    print("lab: " + text, file=sys.stderr, flush=True)


def directory():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "mica-lab")
    os.makedirs(path, exist_ok=True)
    return path


def digest(*parts):
    """A short name for the content of the parts (bytes or str), order included."""
    h = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        h.update(b"%d:" % len(data))
        h.update(data)
    return h.hexdigest()[:20]


def file_digest(path):
    """Digest of a file's content; remembers it by path, size, time and inode."""
    path = os.path.realpath(path)
    st = os.stat(path)
    memo = os.path.join(directory(), "digest-" + digest(
        path, "%d %d %d" % (st.st_size, st.st_mtime_ns, st.st_ino)))
    try:
        with open(memo) as f:
            text = f.read()
        if len(text) == 20:
            return text
    except FileNotFoundError:
        pass
    with open(path, "rb") as f:
        text = digest(f.read())
    with replacing(memo) as f:
        f.write(text.encode())
    return text


@contextlib.contextmanager
def replacing(path):
    """Open a temporary file that becomes @path if the block ends well."""
    fd, tmp = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
    try:
        with os.fdopen(fd, "wb") as f:
            yield f
        os.chmod(tmp, 0o644)
        os.rename(tmp, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(tmp)
        raise


@contextlib.contextmanager
def lock(name):
    """Hold the cache's lock @name; released by the kernel if we die."""
    path = os.path.join(directory(), ".lock-" + name)
    with open(path, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def get(kind, key, make):
    """Path of the cached file of @kind and @key; make(file) writes it if it is missing."""
    path = os.path.join(directory(), "%s-%s" % (kind, key))
    with lock(kind):
        if os.path.exists(path):
            os.utime(path)
        else:
            expire()
            with replacing(path) as f:
                make(f)
    return path


def expire():
    """Remove what has not been used for long. An open file stays readable for who has it."""
    now = time.time()
    with os.scandir(directory()) as entries:
        for entry in entries:
            if entry.name.startswith(".lock-"):
                continue
            with contextlib.suppress(FileNotFoundError):
                if now - entry.stat(follow_symlinks=False).st_mtime > KEEP_SECONDS:
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)
