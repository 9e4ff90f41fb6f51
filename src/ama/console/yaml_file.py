"""A YAML file that holds a mapping, whatever else a user may have given."""

from pathlib import Path
from typing import Any

import yaml

from ama.errors import UserError


def read_mapping(path: Path, otherwise: str) -> dict[Any, Any]:
    """Read a mapping.

    Args:
        path: the file.
        otherwise: what to say of a file that holds something else.

    Raises:
        UserError: it can't be read, or is no YAML or no mapping; says so without naming the file.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"can't be read: {error.strerror}") from error
    # yaml leaves dates that don't exist and deep nesting to Python.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(otherwise)
    return content
