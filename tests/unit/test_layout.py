import json

import pytest
import torch

from ama.averaging.layout import index_json, lay_out, size_text
from ama.averaging.plan import PlannedTensor
from ama.averaging.sites import Part, Site
from ama.checkpoint.tensors import StoredTensor, WeightFile
from ama.errors import UserError
from ama.settings.merging import parse_size


def tensor(name: str, nbytes: int) -> PlannedTensor:
    stored = StoredTensor(WeightFile(__file__), 0, (nbytes,), torch.uint8)
    return PlannedTensor(Site(name, Part.HEAD, None, True), stored, stored, 0.5, torch.uint8, (nbytes,))


def layout(sizes: list[int], limit: int) -> list[list[int]]:
    shards = lay_out([tensor(f"t{number}", size) for number, size in enumerate(sizes)], limit)
    return [[part.nbytes for part in shard.tensors] for shard in shards]


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("5GB", 5_000_000_000),
        ("500MB", 500_000_000),
        ("2GiB", 2 << 30),
        ("1.5kb", 1500),
        (" 7 B ", 7),
        ("1TiB", 1 << 40),
        ("2TB", 2 * 10**12),
    ],
)
def test_sizes(text: str, nbytes: int) -> None:
    assert parse_size(text) == nbytes


@pytest.mark.parametrize(
    "text",
    ["", "5", "GB", "5 gigabytes", "-5GB", "0GB", "0.1B", "5G", "1e3MB", "5IB", "nanMB", "9" * 400 + "GB"],
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_size(text)
    assert str(caught.value) == f"--max_shard_size '{text}' is no size: write it as 5GB, 500MB or 2GiB"


def test_size_text() -> None:
    assert size_text(2_200_000_000) == "2.20 GB"


def test_one_file_where_all_fits() -> None:
    (shard,) = lay_out([tensor("a", 40), tensor("b", 60)], 100)
    assert shard.name == "model.safetensors"
    assert shard.nbytes == 100


def test_order_is_kept_and_no_file_is_larger_than_the_limit() -> None:
    assert layout([40, 60, 1, 99, 1], 100) == [[40, 60], [1, 99], [1]]


def test_a_tensor_above_the_limit_has_a_file_of_its_own() -> None:
    assert layout([10, 500, 10, 10], 100) == [[10], [500], [10, 10]]
    assert layout([500], 100) == [[500]]
    assert layout([10, 10, 10], 1) == [[10], [10], [10]]


def test_names_and_index_are_those_of_transformers() -> None:
    shards = lay_out([tensor("a", 10), tensor("b", 10), tensor("c", 10)], 20)
    assert [shard.name for shard in shards] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    assert json.loads(index_json(shards)) == {
        "metadata": {"total_size": 30},
        "weight_map": {"a": shards[0].name, "b": shards[0].name, "c": shards[1].name},
    }
