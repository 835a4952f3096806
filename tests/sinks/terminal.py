"""Programs at a terminal of their own."""

import os
import pty
import signal
import subprocess
import sys

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


def start_at_a_terminal(program):
    """Start a program at a new terminal; return its process and our end of the terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=theirs, stderr=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    return process, ours


def read_until(terminal, text):
    output = b""
    while text not in output:
        output += os.read(terminal, 4096)
    return output


def interrupted_after(program, text):
    """Press Ctrl-C once a program has written `text`; return its exit code and all it wrote."""
    process, terminal = start_at_a_terminal(program)
    output = read_until(terminal, text)
    process.send_signal(signal.SIGINT)
    try:
        while piece := os.read(terminal, 4096):
            output += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(terminal)
    process.communicate()
    return process.returncode, output.decode()
