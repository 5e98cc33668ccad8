"""The rules of relevance propagation, unit by unit, as their papers write them."""

from __future__ import annotations

import numpy as np
from torch import nn

EPS = 1e-6


def away(z):
    return z + (EPS if z >= 0 else -EPS)


def share(rule, z, b, R):
    """Of a unit with inputs' products z and bias b: relevance of the inputs, and of the bias."""
    if rule == "epsilon":
        total = away(sum(z) + b)
        return z / total * R, b / total * R
    if rule == "gamma":
        out = sum(z) + b
        if out == 0:
            return 0 * z, 0.0
        part = np.maximum if out > 0 else np.minimum
        z, b = z + 0.25 * part(z, 0), b + 0.25 * part(b, 0)
        total = away(sum(z) + b)
        return z / total * R, b / total * R
    if rule in ("alpha_beta", "plus"):
        alpha, beta = (2, 1) if rule == "alpha_beta" else (1, 0)
        plus, minus = np.maximum(z, 0), np.minimum(z, 0)
        b_plus, b_minus = max(b, 0), min(b, 0)
        up, down = away(sum(plus) + b_plus), away(sum(minus) + b_minus)
        if sum(minus) + b_minus == 0:
            down = EPS
        found = alpha * plus / up - beta * minus / down
        return found * R, (alpha * b_plus / up - beta * b_minus / down) * R
    raise AssertionError(rule)


RULES = {
    "epsilon": ("epsilon", "epsilon", None),
    "gamma": ("gamma", "gamma", None),
    "alpha_beta": ("alpha_beta", "alpha_beta", None),
    "epsilon_gamma": ("gamma", "epsilon", None),
    "epsilon_plus": ("plus", "epsilon", None),
    "epsilon_alpha_beta": ("alpha_beta", "epsilon", None),
    "epsilon_plus_flat": ("plus", "epsilon", "flat"),
}


def unrolled(layer, shape):
    """A layer as a matrix from all its inputs to all its outputs, which inputs each has, biases."""
    weight = layer.weight.detach().numpy().astype(float)
    if isinstance(layer, nn.Linear):
        bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().numpy()
        return weight.T, np.ones_like(weight.T, bool), bias.astype(float), (len(weight),)
    channels, height, width = shape
    out, _, kh, kw = weight.shape
    (sh, sw), (ph, pw) = layer.stride, layer.padding
    rows, columns = (height + 2 * ph - kh) // sh + 1, (width + 2 * pw - kw) // sw + 1
    matrix = np.zeros((channels, height, width, out, rows, columns))
    there = np.zeros(matrix.shape, bool)
    for o, r, c in np.ndindex(out, rows, columns):
        for k, i, j in np.ndindex(channels, kh, kw):
            y, x = r * sh + i - ph, c * sw + j - pw
            if 0 <= y < height and 0 <= x < width:
                matrix[k, y, x, o, r, c] += weight[o, k, i, j]
                there[k, y, x, o, r, c] = True
    n = channels * height * width
    bias = np.zeros(out) if layer.bias is None else layer.bias.detach().numpy().astype(float)
    bias = np.repeat(bias, rows * columns)
    return matrix.reshape(n, -1), there.reshape(n, -1), bias, (out, rows, columns)


def pooled(layer, a):
    """What the places of each output are, and the outputs."""
    size, (channels, height, width) = layer.kernel_size, a.shape
    windows = [
        [(k, r * size + i, c * size + j) for i in range(size) for j in range(size)]
        for k, r, c in np.ndindex(channels, height // size, width // size)
    ]
    best = max if isinstance(layer, nn.MaxPool2d) else np.mean
    values = [best([a[place] for place in window]) for window in windows]
    return windows, np.reshape(values, (channels, height // size, width // size))


def propagate(network, x, weights, composite):
    """Relevances of x, the sum of those of biases, and the value that is explained."""
    convolution, dense, first = RULES[composite]
    a, steps = np.asarray(x, float), []
    for layer in network:
        steps.append((layer, a))
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            matrix, _, bias, shape = unrolled(layer, a.shape)
            a = (a.ravel() @ matrix + bias).reshape(shape)
        elif isinstance(layer, nn.ReLU):
            a = np.maximum(a, 0)
        elif isinstance(layer, nn.Tanh):
            a = np.tanh(a)
        elif isinstance(layer, nn.Flatten):
            a = a.ravel()
        else:
            a = pooled(layer, a)[1]
    R = a * np.asarray(weights, float)
    value, of_biases = R.sum(), 0.0
    lowest = next(layer for layer, _ in steps if isinstance(layer, (nn.Linear, nn.Conv2d)))
    for layer, a in reversed(steps):
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            matrix, there, bias, _ = unrolled(layer, a.shape)
            rule = dense if isinstance(layer, nn.Linear) else convolution
            before = np.zeros(a.size)
            for j, r in enumerate(R.ravel()):
                if layer is lowest and first == "flat":
                    before += there[:, j] / there[:, j].sum() * r
                    continue
                inputs, of_bias = share(rule, a.ravel() * matrix[:, j], bias[j], r)
                before += inputs
                of_biases += of_bias
            R = before.reshape(a.shape)
        elif isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)):
            windows, _ = pooled(layer, a)
            before = np.zeros_like(a)
            for window, r in zip(windows, R.ravel(), strict=True):
                values = np.array([a[place] for place in window])
                shares = (
                    np.arange(len(window)) == values.argmax() if isinstance(layer, nn.MaxPool2d)
                    else values / len(window) / away(values.mean())
                )  # fmt: skip
                for place, s in zip(window, shares, strict=True):
                    before[place] += s * r
            R = before
        else:
            R = R.reshape(a.shape)
    return R, of_biases, value
