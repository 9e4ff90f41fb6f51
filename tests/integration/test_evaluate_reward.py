"""ama.evaluate_reward: rows that follow from the replies, drawn once, judged alike in any batches."""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from peft import LoraConfig, get_peft_model
from support import warm
from support.call import call, complaint
from support.masking import EOS, save_judge, save_scene, tiny_model

from ama import evaluate_reward, interpolate
from ama.data.samples import Sample, read_samples
from ama.evaluation.scores import Score, read_scores
from ama.models import load_model, load_reward_model, load_tokenizer
from ama.sampling.reward import score_texts

Row = dict[str, Score]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scene = save_scene(tmp_path_factory.mktemp("reward"), rows=20)
    save_judge(scene / "judge")
    return scene


def _arguments(scene: Path, out: Path, *more: str | Path) -> tuple[str | Path, ...]:
    models = () if "--before" in more or "--models" in more else ("--models", scene / "after")
    places = ("--reward_model", scene / "judge", "--prompts", scene / "samples.json")
    sizes = ("--max_new_tokens", "8", "--sample_batch", "6", "--batch_size", "7")
    return (*models, *places, "--scores", out / "scores.jsonl", *sizes, *more)


def _measure(scene: Path, out: Path, *more: str | Path) -> tuple[Row, list[Sample]]:
    """Measure; return the last row of each metric, and the replies with rewards if they are of one model."""
    call(evaluate_reward.main, *_arguments(scene, out, *more))
    rows = {score.metric: score for score in read_scores(out / "scores.jsonl")}
    paths = list(out.rglob("rewards_*.json"))
    return rows, read_samples(paths[0]) if len(paths) == 1 else []


def test_rows_follow_from_the_replies(scene: Path, tmp_path: Path) -> None:
    rows, samples = _measure(scene, tmp_path, "--samples", "3", "--limit", "12", "--task", "hh")
    prompts = [sample.prompt for sample in read_samples(scene / "samples.json")][:12]
    assert [sample.prompt for sample in samples[::3]] == prompts
    means = [statistics.fmean(s.reward or 0 for s in samples[i : i + 3]) for i in range(0, 36, 3)]
    assert rows["reward"].value == pytest.approx(statistics.fmean(means))
    assert rows["reward"].stderr == pytest.approx(statistics.stdev(means) / 12**0.5)
    words = [sample.reply.split() for sample in samples]
    assert rows["length"].value == pytest.approx(statistics.fmean(map(len, words)))
    every = [word for reply in words for word in reply]
    assert rows["distinct_1"].value == pytest.approx(len(set(every)) / len(every))
    pairs = [pair for reply in words for pair in pairwise(reply)]
    assert rows["distinct_2"].value == pytest.approx(len(set(pairs)) / len(pairs))
    assert 0 < rows["diversity"].value <= 1
    assert {(row.group, row.task, row.seed, row.n) for row in rows.values()} == {("reward", "hh", 0, 12)}
    assert rows["reward"].settings["samples"] == 3
    (folder,) = (tmp_path / "replies").iterdir()
    assert {path.suffix for path in folder.iterdir()} == {".json"}
    texts = [sample.prompt + sample.reply for sample in samples]
    judge, tokenizer = load_reward_model(scene / "judge"), load_tokenizer(scene / "judge")
    one_at_a_time = [score_texts(judge, tokenizer, [text])[0] for text in texts]
    assert [sample.reward for sample in samples] == pytest.approx(one_at_a_time, abs=1e-6)


def test_the_batch_of_the_judge_does_not_matter(scene: Path, tmp_path: Path) -> None:
    _, seven = _measure(scene, tmp_path / "seven")
    for size in ("1", "auto"):
        _, other = _measure(scene, tmp_path / size, "--batch_size", size)
        assert [sample.reply for sample in other] == [sample.reply for sample in seven]
        rewards = [[sample.reward for sample in samples] for samples in (seven, other)]
        assert rewards[0] == pytest.approx(rewards[1], abs=1e-6)


def test_the_seed_decides_what_is_drawn(scene: Path, tmp_path: Path) -> None:
    found = [_measure(scene, tmp_path / seed, "--seed", seed)[1] for seed in ("0", "1")]
    assert found[0] != found[1]
    with patch("ama.sampling.rollout.sample_replies", side_effect=AssertionError):
        _measure(scene, tmp_path / "0", "--seed", "0")
    assert _measure(scene, tmp_path / "0", "--seed", "0", "--rerun")[1] == found[0]
    assert len(read_scores(tmp_path / "0" / "scores.jsonl")) == 10


def test_the_likeliest_replies_do_not_depend_on_the_batch(scene: Path, tmp_path: Path) -> None:
    found = [
        _measure(scene, tmp_path / size, "--temperature", "0", "--sample_batch", size)[1]
        for size in ("1", "20")
    ]
    assert [sample.reply for sample in found[0]] == [sample.reply for sample in found[1]]


def test_an_average_in_memory_is_its_written_checkpoint(scene: Path, tmp_path: Path) -> None:
    pair = ("--before", scene / "before", "--after", scene / "after")
    tag = "split|1|0.6|0.1"
    call(interpolate.main, *pair, "--alpha", "0.3", "--schedule", tag, "--out", tmp_path / "merged")
    written, samples = _measure(scene, tmp_path / "written", "--models", tmp_path / "merged")
    made, others = _measure(scene, tmp_path / "made", *pair, "--alpha", "0.3", "--schedule", tag)
    assert samples == others
    for metric, row in written.items():
        assert (made[metric].value, made[metric].stderr) == (row.value, row.stderr)
        assert made[metric].schedule == row.schedule
    assert samples != _measure(scene, tmp_path / "after")[1]


def test_an_adapter_is_the_model_that_it_makes(scene: Path, tmp_path: Path) -> None:
    adapted: Any = get_peft_model(
        load_model(scene / "before"),
        LoraConfig(target_modules=["q_proj", "up_proj"], init_lora_weights=False),
    )
    adapted.save_pretrained(tmp_path / "adapter")
    adapted.merge_and_unload().save_pretrained(tmp_path / "whole")
    load_tokenizer(scene / "before").save_pretrained(tmp_path / "whole")
    rewards = [
        [sample.reward for sample in _measure(scene, tmp_path / f"of_{name}", "--models", tmp_path / name)[1]]
        for name in ("adapter", "whole")
    ]
    assert rewards[0] == pytest.approx(rewards[1], abs=1e-5)


def test_another_reward_model_judges_the_same_replies(scene: Path, tmp_path: Path) -> None:
    _measure(scene, tmp_path, "--models", scene / "before", scene / "after")
    other = save_judge(tmp_path / "other")
    (other / "model.safetensors").touch()
    with patch("ama.sampling.rollout.sample_replies", side_effect=AssertionError):
        models = ("--models", scene / "before", scene / "after")
        call(evaluate_reward.main, *_arguments(scene, tmp_path, *models, "--reward_model", other))
    rows = [score for score in read_scores(tmp_path / "scores.jsonl") if score.metric == "reward"]
    assert [Path(row.model).name for row in rows] == ["before", "after"] * 2
    assert rows[0].value == rows[2].value != rows[1].value
    for folder in (tmp_path / "replies").iterdir():
        assert len(list(folder.glob("rewards_*.json"))) == 2


def _journal(out: Path) -> list[list[Any]]:
    lines = [line for path in out.rglob("replies.0.jsonl") for line in path.read_text().splitlines() if line]
    return [json.loads(line) for line in lines if line.endswith("]]")]


@pytest.mark.slow
def test_a_killed_run_keeps_what_it_has_drawn(scene: Path, tmp_path: Path) -> None:
    sizes = ("--sample_batch", "4", "--samples", "4", "--max_new_tokens", "24")
    _, whole = _measure(scene, tmp_path / "whole", *sizes)
    command = [warm.python(), "-m", "ama.evaluate_reward", *_arguments(scene, tmp_path / "cut", *sizes)]
    nothing = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=warm.variables(), **nothing)
    deadline = time.monotonic() + 120
    while len(_journal(tmp_path / "cut")) < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    warm.kill(process.pid)
    process.wait()
    kept = {number for number, _ in _journal(tmp_path / "cut")}
    assert 3 <= len(kept) < 20
    assert not list((tmp_path / "cut").rglob("replies.json"))
    assert not (tmp_path / "cut" / "scores.jsonl").exists()
    from ama.sampling import generation

    sample, drawn = generation._sample, set[int]()

    def noted(*arguments: Any) -> list[str]:
        drawn.add(arguments[-1])
        return sample(*arguments)

    with patch.object(generation, "_sample", noted):
        _, again = _measure(scene, tmp_path / "cut", *sizes)
    assert again == whole
    assert drawn == set(range(20)) - kept


@pytest.mark.slow
def test_two_processes_find_what_one_finds(scene: Path, tmp_path: Path) -> None:
    call(evaluate_reward.main, *_arguments(scene, tmp_path / "one"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", port]
    command = [*launch, "-m", "ama.evaluate_reward", *_arguments(scene, tmp_path / "two")]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=300, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (read_scores(tmp_path / name / "scores.jsonl") for name in ("one", "two"))
    assert [(row.model, row.metric, row.value) for row in one] == [
        (row.model, row.metric, row.value) for row in two
    ]


def test_vllm_samples_from_folders(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    class Engine:
        def __init__(self, **options: Any) -> None:
            asked.append(options["model"])

        def generate(self, prompts: list[str], parameters: Any, use_tqdm: bool) -> list[Any]:
            asked.extend(prompts)
            return [SimpleNamespace(outputs=[SimpleNamespace(text=" w1 w2 w3 w4")]) for _ in prompts]

    fake = SimpleNamespace(LLM=Engine, SamplingParams=dict)
    pair = ("--before", scene / "before", "--after", scene / "after", "--schedule", "0.3")
    with patch.dict(sys.modules, {"vllm": fake}):
        rows, samples = _measure(scene, tmp_path, "--engine", "vllm")
        capsys.readouterr()
        line = complaint(
            capsys, evaluate_reward.main, *_arguments(scene, tmp_path, *pair, "--engine", "vllm")
        )
    assert asked == [
        str(scene / "after"),
        *(sample.prompt for sample in read_samples(scene / "samples.json")),
    ]
    assert {(sample.reply, sample.tokens) for sample in samples} == {(" w1 w2 w3 w4", 4)}
    assert rows["diversity"].value == 1
    assert "--engine vllm reads whole checkpoints, not before + after" in line


def test_a_chat_template_can_put_the_prompts(scene: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(scene / "after")
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}w0"
    load_model(scene / "after").save_pretrained(tmp_path / "chat")
    tokenizer.save_pretrained(tmp_path / "chat")
    texts: list[str] = []

    def sampled(model: Any, tokenizer: Any, prompts: list[str], *_: Any) -> list[str]:
        texts.extend(prompts)
        return ["w1"] * len(prompts)

    with patch("ama.sampling.rollout.sample_replies", sampled):
        models = ("--models", tmp_path / "chat", "--limit", "2")
        _, samples = _measure(scene, tmp_path / "auto", *models, "--chat_template", "auto")
        _, plain = _measure(scene, tmp_path / "never", *models)
    prompts = [sample.prompt for sample in samples]
    words = [prompt.removeprefix("###Human:").removesuffix("###Assistant:").strip() for prompt in prompts]
    assert texts == [*(f"user {said} w0" for said in words), *prompts]
    assert [sample.reply for sample in samples + plain] == [" w1", " w1", "w1", "w1"]


def _lines(scene: Path, folder: Path) -> Iterator[tuple[tuple[str | Path, ...], str]]:
    for name, texts in {"no_mark": ["w1 w2"], "long": ["###Human: w1 w2 ###Assistant:"], "none": []}.items():
        content = {"type": "text_only", "instances": [{"text": text} for text in texts]}
        (folder / f"{name}.json").write_text(json.dumps(content))
    yield ("--reward_model", scene / "before"), "is a language model (LlamaForCausalLM), no reward model"
    yield ("--reward_model", "nowhere"), "no such folder: nowhere"
    yield ("--prompts", folder / "no_mark.json"), "instance 0 has no prompt"
    yield ("--prompts", folder / "none.json"), "none.json is empty"
    yield ("--prompts", folder / "long.json", "--max_prompt_tokens", "2"), "no prompt has at most 2 tokens"
    yield ("--max_new_tokens", "99"), "is more than the model's context of 64"
    yield ("--models", scene / "judge"), "judge"
    yield ("--top_p", "2"), "--top_p 2.0: give a number in (0, 1]"
    yield ("--batch_size", "many"), "--batch_size: 'many' is not a whole number or auto"
    yield ("--before", scene / "before"), "--after is missing"


def test_mistakes_get_one_line(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    for more, said in _lines(scene, tmp_path / "data"):
        line = complaint(capsys, evaluate_reward.main, *_arguments(scene, tmp_path, *more))
        assert said in line
        assert not list(tmp_path.rglob("replies.json"))
        assert not (tmp_path / "scores.jsonl").exists()


def test_a_reward_that_is_not_finite(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge = load_reward_model(scene / "judge")
    head: Any = judge.score
    head.weight.data.fill_(float("nan"))
    judge.save_pretrained(tmp_path / "judge")
    load_tokenizer(scene / "judge").save_pretrained(tmp_path / "judge")
    with patch("ama.sampling.rollout._progress", lambda what, note, batches: note):
        options = _arguments(scene, tmp_path, "--reward_model", tmp_path / "judge")
        line = complaint(capsys, evaluate_reward.main, *options)
    assert "judge gives a reward that is not finite" in line
    assert not list(tmp_path.rglob("rewards_*.json"))
    assert not (tmp_path / "scores.jsonl").exists()


def test_auto_is_refused_before_several_processes_sample(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    options = _arguments(scene, tmp_path, "--batch_size", "auto")
    assert "--batch_size auto runs in one process" in complaint(capsys, evaluate_reward.main, *options)


def test_a_model_that_says_nothing(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_model("llama", 2)
    head: Any = model.lm_head
    head.weight.data.zero_()
    model.config.eos_token_id = EOS
    model.save_pretrained(tmp_path / "silent")
    load_tokenizer(scene / "after").save_pretrained(tmp_path / "silent")
    options = ("--models", tmp_path / "silent", "--temperature", "0")
    with patch("ama.sampling.rollout._progress", lambda what, note, batches: note):
        line = complaint(capsys, evaluate_reward.main, *_arguments(scene, tmp_path, *options))
    assert "the replies of silent are empty, all 20 of them" in line
    assert not (tmp_path / "scores.jsonl").exists()
