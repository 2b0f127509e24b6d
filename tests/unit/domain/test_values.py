"""Every value of the domain is frozen, slotted and built by keyword."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import is_dataclass

import pytest

import app.domain

VALUES = [
    value
    for module in pkgutil.walk_packages(app.domain.__path__, "app.domain.")
    for _, value in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
    if is_dataclass(value) and value.__module__ == module.name
]


def test_the_domain_has_values() -> None:
    assert {"Order", "Position", "EntryFacts", "Line"} <= {value.__name__ for value in VALUES}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_a_value_cannot_be_changed_extended_or_built_by_position(value: type) -> None:
    assert value.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(value)
    kinds = {parameter.kind for parameter in inspect.signature(value).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
