"""What every command shares at the terminal: its options, the report of a user's mistake, progress."""

from ama.console.imports import heavy_imports
from ama.console.progress import track_bytes
from ama.console.run import run

__all__ = ["heavy_imports", "run", "track_bytes"]
