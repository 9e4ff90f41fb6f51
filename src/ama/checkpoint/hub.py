"""Why the hub did not give what was asked of it, in words for the user."""


def why_not(error: Exception) -> str:
    """Return one line for whatever huggingface_hub raised."""
    from huggingface_hub import constants, errors

    if isinstance(error, errors.GatedRepoError):
        return "it is gated; ask for access on its page, then log in with `hf auth login`"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "there is none of this name, or it is private; check the name or log in with `hf auth login`"
    if isinstance(error, errors.RevisionNotFoundError):
        return "it has no such branch, tag or commit"
    if isinstance(error, errors.LocalEntryNotFoundError):
        offline = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub can't be reached"
        return f"{offline}, and the cache does not hold all of it"
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
