"""Models of one's own: a config.json that a workload names by path travels in the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundplan.errors import SpecError
from groundplan.spec import LoadedSpec, load, loads, read_model, starter

CONFIG = {
    "model_type": "qwen3",
    "hidden_size": 4096,
    "rope_theta": 1e6,
    "rms_norm_eps": 1e-06,
    "torch_dtype": "bfloat16",
}


def written(folder: Path, content: str | None = None, path: str = "models/Our 8B/config.json") -> LoadedSpec:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        target.write_text(content, "utf-8")
    (folder / "factory.yaml").write_text(starter().replace("model: qwen3-8b", f"model: {path}"), "utf-8")
    return load(folder / "factory.yaml")


def test_a_path_becomes_a_model_of_the_file(tmp_path):
    loaded = written(tmp_path, json.dumps(CONFIG))
    (model,) = loaded.factory.models
    assert model.id.startswith("our-8b-")
    assert model.config == CONFIG
    assert loaded.factory.workloads[0].model == model.id
    assert loaded.where(("models", 0)) == loaded.where(("workloads", 0, "model"))


def test_the_id_is_the_same_elsewhere_and_another_for_other_content(tmp_path):
    first = written(tmp_path / "a", json.dumps(CONFIG))
    moved = written(tmp_path / "b", json.dumps(dict(reversed(CONFIG.items())), indent=4))
    other = written(tmp_path / "c", json.dumps({**CONFIG, "hidden_size": 5120}))
    assert first.spec_hash == moved.spec_hash
    assert first.factory.models[0].id != other.factory.models[0].id


def test_the_file_that_carries_its_models_needs_no_path(tmp_path):
    loaded = written(tmp_path, json.dumps(CONFIG))
    text = json.dumps(loaded.factory.model_dump(mode="json", exclude_unset=True))
    assert loads(text).spec_hash == loaded.spec_hash


def test_two_workloads_share_one_configuration(tmp_path):
    (tmp_path / "ours.json").write_text(json.dumps(CONFIG), "utf-8")
    tune = """
  - {id: tune, title: t, kind: finetune, model: ours.json, data_classes: [plant-data], method: lora,
     tokens_per_run: 1.0e+6, demand: [{origin: plant, work_units_per_month: 1}]}
"""
    text = (
        starter()
        .replace("model: qwen3-8b", "model: ours.json")
        .replace("\n# Quotes to buy", f"{tune}\n# Quotes to buy")
    )
    loaded = loads(text, str(tmp_path / "factory.yaml"))
    assert len(loaded.factory.models) == 1
    assert loaded.factory.workloads[2].model == loaded.factory.models[0].id


BROKEN = {
    "missing": (None, "missing-file", "no such file"),
    "text": ("model_type: qwen3", "not-json", "is no JSON"),
    "list": ("[1]", "not-json", "holds no JSON object"),
    "empty": ("{}", "not-json", "holds no JSON object"),
    "nan": ('{"a": NaN}', "not-json", "NaN is no number"),
    "deep": ("[" * 200_000, "not-json", "is no JSON"),
    "large": (" " * 5_000_001, "too-large", "has more than"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_configuration_that_cannot_be_read_is_named_with_the_line_of_the_workload(name, tmp_path):
    content, code, what = BROKEN[name]
    with pytest.raises(SpecError) as caught:
        written(tmp_path, content)
    (issue,) = caught.value.issues
    assert issue.code == code
    assert what in issue.what
    line = (tmp_path / "factory.yaml").read_text("utf-8").split("model: models/")[0].count("\n") + 1
    assert issue.where == f"{tmp_path / 'factory.yaml'}:{line}"


def test_a_model_that_nothing_runs_is_unused():
    with pytest.raises(SpecError, match="no workload runs model 'ours'"):
        loads(f"{starter()}\nmodels: [{{id: ours, config: {{model_type: llama}}}}]\n")


def test_a_name_without_a_folder_is_that_of_the_file(tmp_path):
    (tmp_path / "house.json").write_text(json.dumps(CONFIG), "utf-8")
    assert read_model(tmp_path / "house.json").id.startswith("house-")


@pytest.mark.parametrize("number", [".nan", ".inf", "[1, -.inf]"])
def test_a_configuration_in_the_file_is_finite(number):
    text = f"{starter()}\nmodels: [{{id: ours, config: {{scale: {number}}}}}]\n".replace(
        "model: qwen3-8b", "model: ours"
    )
    with pytest.raises(SpecError, match="a number that is not finite"):
        loads(text)
