"""A disk that is full from some moment on."""

import os

from mxlib.commands.command import Command


def fill_the_disk(command: Command) -> None:
    """Whatever the command writes into its journal from now on finds no space left."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, command._file._file)
    os.close(full)
