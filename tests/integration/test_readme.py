"""Every command of the README is run, in a copy of what a user has, on tiny models in the place of theirs."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support import warm
from support.eval_rows import eval_source, write_lines
from support.hh import whole_source
from support.masking import save_judge
from support.pairrm import save_pairrms
from support.tiny import make_llama, make_tokenizer

from ama.console.commands import names

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# install.bats runs the installation, and test_quickstart.py the quickstart in small; the two promises install
# everything and are run whole before a release;
# test_build_sandbox.py builds a smaller sandbox, in seconds; test_merge_recommended.py has a sweep that
# recommends something, as one over untrained models does not.
ELSEWHERE = (
    "conda ",
    "./install.sh",
    "bash scripts/quickstart.sh",
    "bash scripts/run_tests.sh",
    "python -m ama.build_sandbox",
    "python -m ama.merge_recommended",
)
WORDS = "the model before and after RLHF"
LAYERS = 22  # the last block of its schedules begins after layer 20

PROMPT = f"###Human: {WORDS} ###Assistant:"
PAIR = {"prompt": PROMPT, "chosen": " the model", "rejected": " before RLHF and"}
HH_RLHF = (
    ("sft", "text_only", {"text": f"{PROMPT} {WORDS * 20}"}, 64),
    ("rm/train", "paired_text_to_text", PAIR, 64),
    ("rm/held_out", "paired_text_to_text", PAIR, 8),
    ("rlhf/rlhf_prompt", "text_only", {"text": PROMPT}, 32),
)


def commands() -> list[str]:
    """Return the commands of the README's bash blocks, continued lines joined."""
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.startswith(ELSEWHERE)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository's recipes, two models of 22 layers and a text."""
    home = tmp_path_factory.mktemp("readme")
    for name in ("scripts", "configs", "benchmarks"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    for seed, name in enumerate(("sft", "rlhf")):
        make_llama(home / "models" / name, seed, num_hidden_layers=LAYERS, max_position_embeddings=512)
        make_tokenizer(home / "models" / name)
    save_judge(home / "models" / "reward")
    (home / "data").mkdir()
    shutil.copy(ROOT / "data" / "download.sh", home / "data")
    whole_source(home / "sources" / "hh", train=16, test=12)
    eval_source(home / "sources" / "eval")
    prompts = [{"instruction": WORDS, "output": WORDS}]
    write_lines(home / "sources" / "alpaca" / "alpaca_eval.jsonl", prompts)
    outputs = home / "sources" / "alpaca" / "model_outputs"
    outputs.mkdir()
    for path in (
        outputs / "gpt4_1106_preview.json",
        home / "data" / "mine.json",
        home / "data" / "theirs.json",
    ):
        path.write_text(json.dumps(prompts))
    save_pairrms(home / "models")
    rows = "".join(json.dumps({"text": f"{WORDS} {WORDS}"}) + "\n" for _ in range(100))
    (home / "data" / "my_texts.jsonl").write_text(rows)
    for name, kind, row, count in HH_RLHF:
        (home / "data" / "hh_rlhf" / name).mkdir(parents=True)
        rows = [{key: f"{number} {text}" for key, text in row.items()} for number in range(count)]
        content = {"type": kind, "instances": rows}
        (home / "data" / "hh_rlhf" / name / "part.json").write_text(json.dumps(content))
    return home


def test_the_readme_names_every_command() -> None:
    assert [name for name in names() if f"ama.{name}" in README] == names()


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_command_runs(command: str, home: Path) -> None:
    # In the order of the README: later commands read what earlier ones wrote.
    if "mpirun" in command:
        command = command.replace("mpirun", "mpirun --oversubscribe")
    if "download.sh hh_rlhf" in command:
        shutil.rmtree(home / "data" / "hh_rlhf")  # what earlier commands read
    sources = {"HH_RLHF_SOURCE": "hh", "EVAL_SOURCE": "eval", "ALPACA_EVAL_SOURCE": "alpaca"}
    local = {name: str(home / "sources" / folder) for name, folder in sources.items()}
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=home,
        env=warm.variables(**root, **local),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out = re.search(r"(?:--out|--scores|--plot|prepare_smollm2|save_path=|output_dir=)[ =]?(\S+)", command)
    only_says = any(word in command for word in ("dry_run", "plan_experiment", "--print_config"))
    if out and not only_says:
        assert (home / shlex.split(out[1])[0]).exists()
