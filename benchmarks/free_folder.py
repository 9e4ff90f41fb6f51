"""Write random free ratios for a checkpoint: free_folder.py CHECKPOINT FOLDER row|element."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from ama.averaging.schedules.ratio_tensors import price_folder
from ama.checkpoint.folder import read_checkpoint

PRICE = 0.1


def main() -> None:
    """Read the command line and write ratios in float16, a file for each tensor."""
    source, target, level = sys.argv[1:]
    checkpoint, folder = Path(source), Path(target)
    tensors = read_checkpoint(checkpoint, str(checkpoint)).tensors
    place = price_folder(folder, PRICE)
    place.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    index, means = {}, {}
    for number, (name, tensor) in enumerate(tensors.items()):
        rows = level == "row" and len(tensor.shape) > 1
        shape = (*tensor.shape[:-1], 1) if rows else tensor.shape
        ratios = torch.rand(shape, generator=generator)
        index[name] = f"model-{number:05d}.safetensors"
        save_file({name: ratios.half()}, place / index[name])
        means[name] = float(ratios.mean())
    (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    entry = {"mean": 0.5, "xxh3_128": f"random {level}", "means": means}
    record = {"approach": "free_sigmoid", "mask_level": level, "scope": "all", "prices": {PRICE: entry}}
    (folder / "mask_alphas.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
