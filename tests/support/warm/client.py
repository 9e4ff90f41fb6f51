"""Stand in for PYTHON: client.py FOLDER PYTHON ARGUMENTS... asks the server in FOLDER, or becomes PYTHON.

It imports nothing but what is built into the interpreter, for it starts some hundred times.
"""

import _signal
import _socket
import marshal
import posix
import sys

FOLDER, PYTHON, *ARGUMENTS = sys.argv[1:]
FORWARDED = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGUSR1, _signal.SIGUSR2)


def cold() -> None:
    """Become the real Python."""
    posix.execv(PYTHON, [PYTHON, *ARGUMENTS])


def receive(connection: _socket.socket) -> int:
    """Return the next number that the server says."""
    content = connection.recv(8, _socket.MSG_WAITALL)
    if len(content) < 8:
        raise OSError("the server is gone")
    return int.from_bytes(content, "little", signed=True)


def ask() -> _socket.socket | None:
    """Send the server what it needs to run the command, or return None if this can't be."""
    is_module = ARGUMENTS[:1] == ["-m"] and ARGUMENTS[1:2] and ARGUMENTS[1].startswith("ama.")
    is_script = ARGUMENTS and ARGUMENTS[0].endswith(".py")
    if not (is_module or is_script) or any(map(posix.isatty, (0, 1, 2))):
        return None
    mask = posix.umask(0)
    posix.umask(mask)
    ignored = [number for number in FORWARDED if _signal.getsignal(number) == _signal.SIG_IGN]
    request = marshal.dumps((ARGUMENTS, posix.getcwd(), posix.environ, mask, ignored))
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(f"{FOLDER}/socket")
    files = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    connection.sendmsg(
        [len(request).to_bytes(8, "little")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)]
    )
    connection.sendall(request)
    return connection


def main() -> None:
    """Wait for the worker's end, hand signals on to it, and end as it did."""
    try:
        connection = ask()
        worker = receive(connection) if connection else 0
    except OSError:
        worker = 0
    if not worker:
        cold()
        return
    for number in FORWARDED:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, lambda number, frame: posix.kill(worker, number))
    status = posix.waitstatus_to_exitcode(receive(connection))
    if status < 0:
        if -status != _signal.SIGKILL:
            _signal.signal(-status, _signal.SIG_DFL)
        posix.kill(posix.getpid(), -status)
    posix._exit(status)


main()
