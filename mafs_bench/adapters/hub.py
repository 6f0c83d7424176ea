"""Models of the Hugging Face hub: from a name and a revision to a commit, which is what a record holds."""

from __future__ import annotations

from pathlib import Path

from mafs_bench.errors import WeightsError


def at_commit(name: str, file: str, or_folder: str) -> tuple[str, str, Path]:
    """Find ``ORG/NAME[@REVISION]``: repository, the commit of the revision (of main, where none is given), file.

    A revision is a commit, a branch or a tag. The file is fetched once; offline, it is looked for in the local
    cache. Raises ``WeightsError`` where it is in neither, naming ``or_folder`` as the form that needs no hub.
    """
    from huggingface_hub import hf_hub_download

    repository, _, revision = name.partition("@")
    try:
        path = Path(hf_hub_download(repository, file, revision=revision or None))
    except Exception as error:  # the hub, the network and the cache each have their own
        pinned = f" --revision {revision}" if revision else ""
        raise WeightsError(
            f"{name} is not in the local cache and cannot be fetched ({type(error).__name__}). Name a folder "
            f"({or_folder}), or fetch it where there is a network: hf download {repository}{pinned}"
        ) from error
    return repository, path.parent.name, path
