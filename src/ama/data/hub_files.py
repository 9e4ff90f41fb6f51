"""Files of a data set repository on the hub, through the hub's own cache."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path

from ama.checkpoint.hub import why_not
from ama.errors import UserError


class HubRepo:
    """A data set repository at one revision.

    Attributes:
        repo: owner/name.
        revision: branch, tag or commit that was asked for.
    """

    def __init__(self, repo: str, revision: str, remedy: str) -> None:
        """Name the repository; nothing is fetched yet.

        Args:
            repo: owner/name.
            revision: branch, tag or commit.
            remedy: what a user without the hub can do, for the message.
        """
        self.repo, self.revision, self._remedy = repo, revision, remedy

    def fetch(self, name: str) -> Path | None:
        """Return the local path of a file, downloaded if the cache has it not; None if there is no such file.

        A repository that was fetched once is read from the cache where the hub can't be asked.

        Raises:
            UserError: the hub can't be asked and the cache has not got the file, or there is no such
                repository or revision.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils.logging import set_verbosity_error
        from huggingface_hub.utils.tqdm import disable_progress_bars

        offline = isinstance(self._listing, Exception)
        if not isinstance(self._listing, Exception) and name not in self._listing:
            return None
        # It warns of every retry.
        set_verbosity_error()  # type: ignore[no-untyped-call]
        with self._told(), nullcontext() if sys.stderr.isatty() else disable_progress_bars():
            path = hf_hub_download(
                self.repo, name, repo_type="dataset", revision=self.revision, local_files_only=offline
            )
            return Path(path)

    def names(self) -> list[str]:
        """Return the names of all files, sorted.

        Raises:
            UserError: the hub can't be asked, or there is no such repository or revision.
        """
        with self._told():
            if isinstance(self._listing, Exception):
                raise self._listing
            return self._listing

    @cached_property
    def _listing(self) -> list[str] | Exception:
        """The names of all files, or why the hub could not be asked."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError

        try:
            info = HfApi().dataset_info(self.repo, revision=self.revision)
        except HfHubHTTPError as error:
            with self._told():
                raise error
        except Exception as error:  # Of the HTTP library: there is no way to the hub.
            return error
        return sorted(file.rfilename for file in info.siblings or ())

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # The client lets through errors of its HTTP library and of its storage.
            where = f"{self.repo} at {self.revision}"
            raise UserError(
                f"{where} is not to be had from the hub: {why_not(error)}; {self._remedy}"
            ) from error
