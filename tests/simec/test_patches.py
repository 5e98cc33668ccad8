"""Similarities of images by patches: a plain oracle, invariances and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from simec.similarities import Patches, linear, patches


@pytest.fixture
def images():
    """Images of 12 × 12 pixels with stripes of one of two orientations."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:12, :12]
    phases = rng.integers(0, 4, 40)
    stripes = [
        128 + 60 * np.sin((rows if i % 2 else columns) * np.pi / 2 + phase)
        for i, phase in enumerate(phases)
    ]
    return (np.stack(stripes)[:, None] + rng.normal(0, 20, (40, 3, 12, 12))).astype(np.float32)


def small(**more):
    return Patches(12, **{"n_centers": 8, "patch_size": 4, "n_patches": 500} | more, random_state=0)


def test_activations_are_those_of_plain_loops(images):
    model = small(grid=2).fit(images)
    image = images[3].astype(np.float64)
    expected = np.zeros((2, 2, 8))
    counts = np.zeros((2, 2, 1))
    for r in range(9):
        for c in range(9):
            patch = image[:, r : r + 4, c : c + 4].ravel()
            patch = patch - patch.mean()
            patch /= np.sqrt(np.mean(patch**2) + model._contrast)
            distances = np.linalg.norm(
                patch @ model._whiten - model._shift - model.centers_, axis=1
            )
            i, j = int(r >= 4), int(c >= 4)  # edges at 9 / 2, rounded to even
            expected[i, j] += np.maximum(distances.mean() - distances, 0)
            counts[i, j] += 1
    found = model._activations(images[3:4])
    np.testing.assert_allclose(found[0], np.sqrt(expected / counts).ravel(), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("whitening", [0.0, 0.5, 1.0])
def test_variances_of_components(images, whitening):
    full = small(whitening=0.0).fit_transform(images).astype(np.float64)
    features = small(whitening=whitening).fit_transform(images).astype(np.float64)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
    covariance = features.T @ features / len(features)
    variances = full.var(axis=0)
    assert (np.diff(variances) <= 1e-4).all()
    np.testing.assert_allclose(covariance, np.diag(variances ** (1 - whitening)), atol=2e-3)


def test_without_whitening_products_are_those_of_standardized_features(images):
    model = Patches(32, n_centers=8, patch_size=4, n_patches=500, whitening=0, random_state=0)
    features = model.fit_transform(images)
    raw = model._activations(images).astype(np.float64)
    standardized = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    np.testing.assert_allclose(linear(features), standardized @ standardized.T, atol=1e-2)


def test_similar_textures_are_similar(images):
    similarities = patches(images, n_components=12, n_centers=8, patch_size=4, random_state=0)
    same = np.equal.outer(np.arange(40) % 2, np.arange(40) % 2)
    assert similarities[same].mean() > similarities[~same].mean() + 1


def test_new_images_get_the_same_features(images):
    model = small()
    features = model.fit_transform(images)
    np.testing.assert_allclose(model.transform(images), features, atol=1e-4)
    np.testing.assert_allclose(
        clone(model).fit(images).transform(images[:5]), features[:5], atol=1e-4
    )
    parameters = model.get_params() | {"n_components": 12}
    S = patches(images, images[:5], **parameters)
    np.testing.assert_allclose(S, features @ features[:5].T, rtol=1e-4, atol=1e-3)


def test_scale_and_brightness_do_not_matter(images):
    features = small().fit_transform(images)
    changed = small().fit_transform(images / 255 + np.float32(0.3))
    np.testing.assert_allclose(np.abs(changed), np.abs(features), atol=0.02)


def test_grey_images_need_no_axis_of_channels(images):
    grey = images.mean(axis=1)
    np.testing.assert_array_equal(small().fit_transform(grey), small().fit_transform(grey[:, None]))


def test_constant_images_among_others(images):
    images[7] = 3
    assert np.isfinite(small().fit_transform(images)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[:1], "at least two images, got 1"),
        (lambda X: X[:, :, :4], "4 × 12 pixels are too small for patches of 4 × 4"),
        (lambda X: X.reshape(40, -1), r"shape \(m, channels, height, width\) or .*got shape \(40,"),
        (lambda X: np.full_like(X, np.nan), "finite pixels, got NaN"),
        (lambda X: np.full_like(X, np.inf), "scale X to about 1"),
        (lambda X: np.ones_like(X), "all patches are constant"),
        (lambda X: X.astype(str), "array of numbers"),
    ],
)
def test_bad_images(images, change, message):
    with pytest.raises(ValueError, match=message):
        small().fit(change(images))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 33}, "n_components must be an integer from 1 to 32, got 33"),
        ({"n_centers": 1}, "n_centers must be an integer >= 2"),
        ({"patch_size": 2.5}, "patch_size must be an integer >= 2, got 2.5"),
        ({"grid": 0}, "grid must be an integer >= 1"),
        ({"whitening": 2}, "whitening must be a finite number >= 0 and <= 1"),
        ({"n_patches": 3}, "n_patches must be an integer >= 8, got 3"),
    ],
)
def test_bad_parameters(images, parameters, message):
    with pytest.raises(ValueError, match=message):
        small().set_params(**parameters).fit(images)


def test_images_of_another_shape(images):
    with pytest.raises(ValueError, match=r"images of shape \(3, 12, 12\).*got \(1, 12, 12\)"):
        small().fit(images).transform(images[:, :1])
