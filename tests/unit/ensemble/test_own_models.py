"""Models of the user's: the documented example as it stands, an ONNX file, and every way they can be missing."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from app.adapters.models.own import open_own_models
from app.domain.ensemble.features import FEATURE_NAMES
from app.domain.ensemble.opinions import Abstention, AbstentionCode, Vote
from app.services.engine.ask_models import AskModels
from tests.conftest import REPOSITORY
from tests.support.markets import market

WINDOW = market(1, symbols=1, minutes=70)[0]


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def part(number: int, value: int | bytes | str) -> bytes:
    """One field of a protobuf message: enough of the format to write an ONNX file by hand."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def onnx_logistic(features: int) -> bytes:
    """sigmoid(x . w) with w = 1 for the first feature: MatMul and Sigmoid, opset 13."""
    weights = struct.pack(f"<{features}f", 1.0, *[0.0] * (features - 1))
    tensor = part(1, features) + part(1, 1) + part(2, 1) + part(8, "w") + part(9, weights)

    def value(name: str, columns: int) -> bytes:
        shape = part(1, part(1, 1)) + part(1, part(1, columns))
        return part(1, name) + part(2, part(1, part(1, 1) + part(2, shape)))

    graph = (
        part(1, part(1, "x") + part(1, "w") + part(2, "z") + part(4, "MatMul"))
        + part(1, part(1, "z") + part(2, "p") + part(4, "Sigmoid"))
        + part(2, "logistic")
        + part(5, tensor)
        + part(11, value("x", features))
        + part(12, value("p", 1))
    )
    return part(1, 8) + part(7, graph) + part(8, part(1, "") + part(2, 13))


def test_the_documented_example_votes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "docs" / "examples"))
    (model,) = open_own_models("momentum_model:Momentum", taken=())
    ask = AskModels(deadline_seconds=5.0)
    (vote,), (short,) = (ask({model.name: model}, [window])[model.name] for window in (WINDOW, WINDOW.newest(5)))
    assert isinstance(vote, Vote)
    assert 0.45 <= vote.probability <= 0.55
    assert vote.probability != 0.5
    assert isinstance(short, Abstention)
    assert short.code is AbstentionCode.TOO_LITTLE_HISTORY


def test_an_onnx_file_votes_and_its_version_is_its_content(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_logistic(len(FEATURE_NAMES)))
    (model,) = open_own_models(str(path), taken=())
    vote = model.predict(WINDOW)
    assert isinstance(vote, Vote)
    assert 0.0 < vote.probability < 1.0
    assert vote.version.startswith("mine-")
    short = model.predict(WINDOW.newest(10))
    assert isinstance(short, Abstention)
    assert short.code is AbstentionCode.TOO_LITTLE_HISTORY


def test_a_model_that_cannot_be_opened_abstains_with_the_reason(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "odd.onnx").write_bytes(onnx_logistic(3))
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    listed = (
        f"no_such_package.mine:Model, {tmp_path}/gone.onnx, {tmp_path}/odd.onnx, {tmp_path}/broken.onnx, "
        "just_a_word, datetime:datetime"
    )
    said = [model.predict(WINDOW) for model in open_own_models(listed, taken=())]
    assert [(each.model, each.code) for each in said if isinstance(each, Abstention)] == [
        ("Model", AbstentionCode.NOT_INSTALLED),
        ("gone", AbstentionCode.FILE_MISSING),
        ("odd", AbstentionCode.FAILED),
        ("broken", AbstentionCode.FAILED),
        ("just_a_word", AbstentionCode.FAILED),
        ("datetime", AbstentionCode.FAILED),
    ]
    assert f"one row of {len(FEATURE_NAMES)} features" in said[2].reason  # type: ignore[union-attr]


def test_a_name_that_is_taken_is_not_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "docs" / "examples"))
    (model,) = open_own_models("momentum_model:Momentum", taken=("momentum",))
    said = model.predict(WINDOW)
    assert isinstance(said, Abstention)
    assert said.reason == "the name momentum is taken"
