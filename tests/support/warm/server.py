"""The fork server of the tests: server.py FOLDER OWNER serves FOLDER/socket until the process OWNER ends.

It imports the heavy libraries, and nothing of ama. For each request it forks a worker, which takes over the
client's working directory, environment, arguments, standard files, umask, limits and process group, and runs
a module or a script as `python` does. The client ends with the worker's status; if a client dies, its worker
is killed.

Left to a real Python are requests with other variables than the server's where a library reads them as it is
imported, processes that a launcher has started, and those in another mount namespace.
"""

import atexit
import gc
import importlib
import marshal
import os
import resource
import runpy
import select
import selectors
import signal
import socket
import sys
import threading
import types
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = (
    *("torch", "safetensors.torch", "transformers.models.llama.modeling_llama", "transformers.trainer"),
    *("datasets", "peft", "trl.trainer.dpo_trainer", "lm_eval.evaluator", "lm_eval.models.huggingface"),
    *("matplotlib.pyplot", "scipy.stats", "plotly.graph_objects", "rich.progress", "rich.table"),
)
# Variables that libraries or the interpreter read early, and those of launchers, by how they begin.
EARLY = (
    *(
        "HF_",
        "HUGGINGFACE_",
        "TRANSFORMERS_",
        "DATASETS_",
        "TOKENIZERS_",
        "PEFT_",
        "TRL_",
        "LMEVAL_",
        "NLTK_",
    ),
    *(
        "TORCH_",
        "PYTORCH_",
        "CUDA_",
        "NVIDIA_",
        "OMP_",
        "MKL_",
        "OPENBLAS_",
        "GOTO_",
        "KMP_",
        "GOMP_",
        "ARROW_",
    ),
    *("PYTHON", "LD_", "MALLOC_", "MIMALLOC_", "MPL", "XDG_", "LC_", "LANG", "HOME", "TZ"),
    *("ACCELERATE_", "OMPI_", "PMIX_", "PRTE_", "RANK", "LOCAL_", "WORLD_SIZE", "MASTER_", "GROUP_", "ROLE_"),
)
# Where the hub is offline, data sets are; DeepSpeed, which reads the second, is not imported here; the others
# are what lm-eval, DeepSpeed, llm-blender and scikit-learn set when the process of the tests imports them.
LATE = (
    "HF_DATASETS_OFFLINE",
    "TORCH_EXTENSIONS_DIR",
    "HF_XET_HIGH_PERFORMANCE",
    "PYTORCH_NVML_BASED_CUDA_CHECK",
    "PYTORCH_CUDA_ALLOC_CONF",
    "KMP_DUPLICATE_LIB_OK",
    "KMP_INIT_AT_FORK",
)
LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]


def early(environment: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the variables that a worker can't take over from a client."""
    starts, late = tuple(map(os.fsencode, EARLY)), set(map(os.fsencode, LATE))
    return {key: value for key, value in environment.items() if key.startswith(starts) and key not in late}


@dataclass
class Request:
    """What a client wants to be run."""

    connection: socket.socket
    client: int
    files: list[int]
    arguments: list[str]
    folder: str
    environment: dict[bytes, bytes]
    mask: int
    ignored: list[int]


def read_request(connection: socket.socket) -> Request:
    """Read what a client sends.

    Raises:
        OSError: if it dies over it.
    """
    connection.settimeout(30)
    length, files, _, _ = socket.recv_fds(connection, 8, 3)
    content = bytearray()
    while len(content) < int.from_bytes(length, "little"):
        part = connection.recv(1 << 20)
        if not part:
            raise ConnectionResetError
        content += part
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    client = int.from_bytes(credentials[:4], sys.byteorder)
    return Request(connection, client, files, *marshal.loads(content))


@dataclass
class Worker:
    """A process that works for a client."""

    pid: int
    client: int
    end: int
    connection: socket.socket


class Server:
    """Forks workers, and tells clients how they end."""

    def __init__(self, folder: Path, owner: int) -> None:
        self.folder = folder
        self.variables = early(dict(os.environb))
        self.workers: list[Worker] = []
        self.owner = os.pidfd_open(owner)
        self.listener = socket.socket(socket.AF_UNIX)
        # Clients wait from here on: they find the socket before the libraries are there.
        self.listener.bind(str(folder / "socket"))
        self.listener.listen(256)

    def serve(self) -> Request:
        """Serve until the owner ends; return the request in each worker."""
        while True:
            ready = self._wait()
            if self.owner in ready:
                for worker in self.workers:
                    os.kill(worker.pid, signal.SIGKILL)
                os._exit(0)
            for worker in list(self.workers):
                if worker.end in ready:
                    self._reap(worker)
                elif worker.connection in ready:
                    os.kill(worker.pid, signal.SIGKILL)  # the client is dead
            if self.listener in ready and (request := self._accept()):
                return request

    def _wait(self) -> set[object]:
        """Wait until something happens, and return where."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.owner, selectors.EVENT_READ)
            selector.register(self.listener, selectors.EVENT_READ)
            for worker in self.workers:
                selector.register(worker.end, selectors.EVENT_READ)
                selector.register(worker.connection, selectors.EVENT_READ)
            return {key.fileobj for key, _ in selector.select()}

    def _reap(self, worker: Worker) -> None:
        _, status = os.waitpid(worker.pid, 0)
        os.close(worker.end)
        self.workers.remove(worker)
        self._note(worker.client).unlink(missing_ok=True)
        _tell(worker.connection, status)
        worker.connection.close()

    def _note(self, client: int) -> Path:
        """Where the worker of a client is written down."""
        return self.folder / "workers" / str(client)

    def _accept(self) -> Request | None:
        """Fork a worker for the next client, in which its request is returned."""
        connection, _ = self.listener.accept()
        try:
            request = read_request(connection)
            is_near = os.readlink(f"/proc/{request.client}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
        except OSError:
            connection.close()
            return None
        if is_near and early(request.environment) == self.variables:
            pid = os.fork()
            if pid == 0:
                self._become_worker(request)
                return request
            self.workers.append(Worker(pid, request.client, os.pidfd_open(pid), connection))
            _tell(connection, pid)
        else:
            _tell(connection, 0)
            connection.close()
        for file in request.files:
            os.close(file)
        return None

    def _become_worker(self, request: Request) -> None:
        """Let go of the server's files, and see that the client is alive and knows who works for it."""
        for worker in self.workers:
            os.close(worker.end)
            worker.connection.close()
        os.close(self.owner)
        self.listener.close()
        note = self._note(request.client)
        note.with_suffix(".part").write_text(str(os.getpid()))
        note.with_suffix(".part").rename(note)
        is_dead = select.poll()
        is_dead.register(request.connection, select.POLLIN)
        if is_dead.poll(0):
            os._exit(1)
        request.connection.close()


def _tell(connection: socket.socket, number: int) -> None:
    with suppress(OSError):  # from a client that is dead
        connection.sendall(number.to_bytes(8, "little", signed=True))


def take_over(request: Request) -> None:
    """Make this process what the client is."""
    for number in signal.SIGINT, *request.ignored:
        is_ignored = number in request.ignored
        signal.signal(number, signal.SIG_IGN if is_ignored else signal.default_int_handler)
    with suppress(OSError):
        os.setpgid(0, os.getpgid(request.client))
    for limit in LIMITS:
        resource.setrlimit(limit, resource.prlimit(request.client, limit))
    for number, file in enumerate(request.files):
        os.dup2(file, number)
        os.close(file)
    os.umask(request.mask)
    os.environb.clear()
    os.environb.update(request.environment)
    os.chdir(request.folder)
    sys.argv = request.arguments
    sys.orig_argv = [sys.executable, *request.arguments]


def run(arguments: list[str], folder: str) -> None:
    """Run `-m MODULE` or a script, as the program that this process is."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    if arguments[0] == "-m":
        sys.path[0] = folder
        sys.argv = arguments[1:]
        runpy._run_module_as_main(arguments[1])  # type: ignore[attr-defined]
        return
    path = Path(folder, arguments[0])
    sys.path[0] = str(path.resolve().parent)
    main.__file__ = str(path)
    exec(compile(path.read_bytes(), path, "exec"), main.__dict__)


def status_of(arguments: list[str], folder: str) -> int:
    """Run, and return the exit status, negative for a signal."""
    try:
        run(arguments, folder)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def leave(status: int) -> None:
    """End this process as Python does, but leave its memory to the system: taking it down lasts 0.4 s."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError as error:
        sys.stderr.write(f"Exception ignored in: {sys.stdout!r}\n{type(error).__name__}: {error}\n")
        status = 120
    sys.stderr.flush()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _server = Server(Path(sys.argv[1]), int(sys.argv[2]))
    for _name in LIBRARIES:
        importlib.import_module(_name)
    gc.collect()
    gc.freeze()
    _request = _server.serve()
    take_over(_request)
    if _request.arguments[0] != "-m":
        # What a script of benchmarks/ starts by it starts at once too.
        sys.executable = str(_server.folder / "bin" / "python")
    leave(status_of(_request.arguments, _request.folder))
