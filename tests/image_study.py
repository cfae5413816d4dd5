"""Studies of small made images and sequences, whose batches ended in a segmentation fault when they shared a process."""

import numpy as np

from noiseflow.study.loading import validate

NETWORKS = {
    "cnn": {"kind": "cnn", "filters": [4], "kernel_size": 3},
    "lstm": {"kind": "lstm", "units": [4]},
}


def write_images(path, n=200, side=28, classes=10, seed=1):
    """Grey images of a bright square, whose place tells the class; an .npz of the form that `kind: arrays` reads."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = rng.normal(0, 0.2, (n, side, side, 1))
    for image, label in zip(X, y, strict=True):
        left = int(label) * side // classes
        image[side // 4 : side // 2, left : left + side // classes] += 1.0
    np.savez(path, X=np.clip(X * 200, 0, 255).astype(np.uint8), y=y)
    return path


def images_28(path, **changes):
    """The study of 28 x 28 images that died 6 of 7 times, as data; path: of its arrays."""
    return {
        "name": "images-28",
        "design": "replicate",
        "n_seeds": 6,
        "datasets": [{"kind": "arrays", "path": str(path), "task": "classification"}],
        "architectures": [{"kind": "cnn", "filters": [8], "kernel_size": 3}],
        "training": {"epochs": 3, "batch_size": 64, "record_every": 1},
        "variants": [
            {"name": "baseline"},
            {"name": "after pool", "injections": [{"place": "after:pool", "stddev": 0.1}]},
        ],
    } | changes


def ten_studies(path):
    """Five of images, five of sequences, of 4 to 8 seeds; those of one kind share their programs."""
    waves = [{"kind": "waves", "n_samples": 60, "n_train": 40}]
    inside = [{"name": "baseline"}, {"name": "in", "injections": [{"place": "before_activation", "stddev": 0.1}]}]
    short = {"training": {"epochs": 1, "batch_size": 64, "record_every": 1}}
    images = [
        images_28(path, name=f"images-{i}", n_seeds=i, architectures=[NETWORKS["cnn"]], **short) for i in range(4, 9)
    ]
    sequences = [
        images_28(
            path,
            name=f"waves-{i}",
            n_seeds=i,
            datasets=waves,
            architectures=[NETWORKS["lstm"]],
            variants=inside,
            **short,
        )
        for i in range(4, 9)
    ]
    return [validate(study) for study in [*images, *sequences]]
