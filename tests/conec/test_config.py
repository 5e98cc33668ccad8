from __future__ import annotations

import dataclasses
import inspect
import json

import numpy as np
import pytest

from conec import ContextEncoder, ExtendedContextEncoder
from conec.config import PARAMETERS, Config

INTEGERS = {
    "vector_size": (0, -1),
    "window": (0, -3),
    "min_window": (0, 6),
    "negative": (0, 1025),
    "shared": (0, 1025),
    "batch_size": (0, 1025),
    "min_count": (-1,),
    "max_vocab_size": (0, -2),
    "max_final_vocab": (0,),
    "epochs": (0,),
    "workers": (0, -1),
    "seed": (-1, 2**63),
}
NUMBERS = {
    "sample": (-1e-9,),
    "ns_exponent": (-11, 11),
    "alpha": (-0.1,),
    "min_alpha": (-0.1,),
    "alpha_exponent": (-0.1, 1.1),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, bad in INTEGERS.items() for value in bad]
)
def test_integers_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be an integer .*, got {value}$"):
        Config(**{name: value})


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize(
    "value", [2.0, "3", True, False, np.True_, float("nan"), [1], np.array([1, 2]), 1j]
)
def test_what_is_no_integer_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be an integer"):
        Config(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, bad in NUMBERS.items() for value in bad]
)
def test_numbers_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a finite number"):
        Config(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1e-4", True, np.ones(2), 1j])
def test_what_is_no_number_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a (finite )?number"):
        Config(**{name: value})


@pytest.mark.parametrize("name", ["min_count", "sample", "epochs"])
def test_none_is_no_number(name):
    with pytest.raises(ValueError, match=f"^{name} "):
        Config(**{name: None})


@pytest.mark.parametrize("name", ["negatives", "cbow_gradient"])
@pytest.mark.parametrize("value", ["", "Shared", None, 1, ["shared"]])
def test_choices_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be one of '"):
        Config(**{name: value})


@pytest.mark.parametrize("name", ["cbow_mean", "deterministic"])
def test_switches(name):
    for value in (True, 1, np.True_, np.int64(1)):
        assert getattr(Config(**{name: value}), name) is True
    for value in (False, 0, np.False_):
        assert getattr(Config(**{name: value}), name) is False
    for value in (2, -1, "yes", None, 1.0):
        with pytest.raises(ValueError, match=f"^{name} must be True or False"):
            Config(**{name: value})


def test_numbers_of_numpy_become_plain_and_go_through_json():
    given = {name: np.int64(7) for name in INTEGERS} | {name: np.float32(0.5) for name in NUMBERS}
    config = Config(**given | {"window": np.uint8(7), "cbow_mean": np.bool_(False)})
    for name in INTEGERS:
        assert type(getattr(config, name)) is int
    for name in NUMBERS:
        assert type(getattr(config, name)) is float
    data = json.loads(json.dumps(config.to_dict()))
    assert Config.from_dict(data) == config


def test_every_default_goes_through_json():
    assert Config.from_dict(json.loads(json.dumps(Config().to_dict()))) == Config()


def test_unknown_parameters_are_named():
    with pytest.raises(ValueError, match="unknown parameters: size, sorted_vocab"):
        Config.from_dict({"sorted_vocab": 1, "size": 3, "window": 5})


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().window = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("parameters", "alpha"),
    [
        ({}, 0.6),
        ({"cbow_mean": False}, 0.025),
        ({"cbow_gradient": "word2vec"}, 0.025),
        ({"alpha": 0.0}, 0.0),
        ({"alpha": 0.3, "cbow_mean": False}, 0.3),
    ],
)
def test_start_alpha(parameters, alpha):
    assert Config(**parameters).start_alpha == alpha


@pytest.mark.parametrize(
    ("parameters", "exponent"),
    [
        ({}, 0.25),
        ({"cbow_mean": False}, 0),
        ({"cbow_gradient": "word2vec"}, 0),
        ({"alpha_exponent": 0}, 0),
        ({"alpha_exponent": 0.5, "cbow_mean": False}, 0.5),
    ],
)
def test_rate_exponent(parameters, exponent):
    assert Config(**parameters).rate_exponent == exponent


def test_derived_values():
    assert Config(batch_size=16, shared=8).batch == (16, 8)
    assert Config(negatives="exact", negative=3).batch == (1, 3)


def signature(function):
    return [(p.name, p.default, p.kind) for p in inspect.signature(function).parameters.values()]


def test_the_encoder_takes_the_parameters_of_config():
    assert signature(ContextEncoder) == signature(Config)
    assert {p.kind for p in inspect.signature(Config).parameters.values()} == {
        inspect.Parameter.KEYWORD_ONLY
    }
    with pytest.raises(TypeError, match="unexpected keyword argument 'sizes'"):
        ContextEncoder(sizes=3)
    with pytest.raises(TypeError, match="by name only"):
        ContextEncoder(3)


def test_the_extended_encoder_takes_them_too():
    own = ["features", "clean", "feature_min_count", "feature_dropout"]
    expected = [
        (name, "exact" if name == "negatives" else default, kind)
        for name, default, kind in signature(Config)
    ]
    assert [name for name, _, _ in signature(ExtendedContextEncoder)][:4] == own
    assert signature(ExtendedContextEncoder)[4:] == expected


def test_the_docstring_lists_all_parameters():
    lines = [line.strip() for line in ContextEncoder.__doc__.splitlines()]
    for name, default, _ in signature(Config):
        (entry,) = [line for line in lines if line.startswith(f"{name} : ")]
        assert entry.endswith("optional" if default is None else f"default {default!r}")


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=PARAMETERS)
def test_what_is_known_of_a_parameter(parameter):
    assert parameter.help.endswith(".")
    assert Config.__dataclass_fields__[parameter.name].default == parameter.default
    assert parameter.optional == (parameter.default is None)
    assert bool(parameter.choices) == (parameter.type is str)
    if parameter.default is not None:
        assert type(parameter.default) is parameter.type
    for bound, step in ((parameter.low, -1), (parameter.high, 1)):
        if bound is not None:
            if parameter.name not in ("window", "min_window"):
                parameter.check(bound)
            with pytest.raises(ValueError, match=f"^{parameter.name} must be"):
                Config(**{parameter.name: bound + step})


@pytest.mark.parametrize("model", [ContextEncoder, ExtendedContextEncoder])
def test_an_unknown_parameter_is_named_with_the_closest_one(model):
    message = rf"^{model.__name__}\(\) .* argument 'vectorsize'; did you mean vector_size"
    with pytest.raises(TypeError, match=message):
        model(vectorsize=3)
