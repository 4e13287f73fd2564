"""What an emitter does when its process exits or forks."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .emitter import Emitter

# Until it is closed, an emitter is kept here, because its events have to be sent also if the caller has lost it.
_open: set[Emitter] = set()
_all: weakref.WeakSet[Emitter] = weakref.WeakSet()


def register(emitter: Emitter) -> None:
    _open.add(emitter)
    _all.add(emitter)


def forget(emitter: Emitter) -> None:
    _open.discard(emitter)


def _close_all() -> None:
    emitters = [emitter for emitter in _open if emitter._loop.is_started]
    # Together, so that the exit takes no longer with many emitters.
    for emitter in emitters:
        emitter._begin_close(emitter._exit_timeout_ms)
    for emitter in emitters:
        emitter._await_closed(emitter._exit_timeout_ms)


def _open_all_in_child() -> None:
    for emitter in list(_all):
        emitter._open_in_child()


atexit.register(_close_all)
# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all_in_child)
