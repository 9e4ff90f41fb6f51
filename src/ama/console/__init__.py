"""What every command shares at the terminal: arguments, the report of a user's mistake, progress."""

from ama.console.arguments import Parser, positive_int
from ama.console.imports import heavy_imports
from ama.console.progress import track_bytes
from ama.console.run import run

__all__ = ["Parser", "heavy_imports", "positive_int", "run", "track_bytes"]
