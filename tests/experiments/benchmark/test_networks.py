"""Networks: sizes and operations counted by hand."""

from __future__ import annotations

from experiments.benchmark import networks


def test_the_flops_of_a_training_step_are_those_counted_by_hand():
    conv1 = 2 * 128 * 128 * 16 * 3 * 9 * 2  # without its input's gradient
    conv2 = 2 * 64 * 64 * 32 * 16 * 9 * 3
    conv3 = 2 * 32 * 32 * 64 * 32 * 9 * 3
    dense = 2 * (64 * 16 * 16 * 128 + 128) * 3
    assert networks.age_cnn_training_flops(32) == 32 * (conv1 + conv2 + conv3 + dense)


def test_first_weights_are_the_same_each_time_and_biases_are_zero():
    first, second = (networks.first_weights(networks.AGE_CNN_SHAPES.items()) for _ in range(2))
    assert list(first) == list(networks.AGE_CNN_SHAPES)
    for name, shape in networks.AGE_CNN_SHAPES.items():
        assert first[name].shape == shape
        assert first[name].dtype == "float32"
        assert (first[name] == second[name]).all()
        assert first[name].any() == name.endswith("weight")
