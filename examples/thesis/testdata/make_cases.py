"""Makes small parity cases with scikit-learn: losses, classes, batch sizes and shuffling, on data made here.

    python3 -m venv V && V/bin/pip install scikit-learn==1.3.2 numpy==1.26.4
    V/bin/python examples/thesis/testdata/make_cases.py FOLDER

writes FOLDER/small.arff and FOLDER/small-*.json, in the layout that `thesis parity` reads.
"""

import gzip
import json
import pathlib
import sys

import numpy
import sklearn
from sklearn.linear_model import SGDClassifier, SGDRegressor

ROWS, FEATURES = 90, 5
DIGITS = [str(digit) for digit in range(19)]


def data():
    random = numpy.random.RandomState(5)
    x = numpy.round(random.normal(size=(ROWS, FEATURES)) * [1, 10, 0.1, 3, 1] + [0, 5, 0, -2, 0], 3)
    x[:, 4] = 7.25  # a constant feature
    number = numpy.round(x[:, 0] * 2 - x[:, 1] / 5 + random.normal(size=ROWS) / 3, 3)
    return x, number, random.randint(0, len(DIGITS), size=ROWS)


def losses(loss, p, y):
    if loss == "squared_error":
        return 0.5 * (p - y) ** 2
    z = p * y
    if loss == "hinge":
        return numpy.maximum(0, 1 - z)
    return numpy.where(z > 18, numpy.exp(-z), numpy.where(z < -18, -z, numpy.log(1 + numpy.exp(-numpy.clip(z, -18, 18)))))


def case(folder, loss, classes, batch, epochs, alpha, eta0, random_state):
    x, number, digit = data()
    order = numpy.random.RandomState(batch + classes).permutation(ROWS)
    train, test = order[:63], order[63:]
    if classes:
        y, target, labels = digit % classes, f"class{classes}", DIGITS[:classes]
    else:
        y, target, labels = number, "number", None
    mean, scale = x[train].mean(axis=0), x[train].std(axis=0)
    scale[scale == 0] = 1
    xs, ys = (x[train] - mean) / scale, y[train]
    make = SGDClassifier if classes else SGDRegressor
    shuffle = random_state is not None
    model = make(loss=loss, penalty="l2", alpha=alpha, learning_rate="constant", eta0=eta0, shuffle=shuffle,
                 random_state=random_state, average=False)
    outputs = classes if classes > 2 else 1
    coef, intercept = numpy.zeros((outputs, FEATURES)), numpy.zeros(outputs)
    seen = []
    for _ in range(epochs):
        for start in range(0, len(train), batch):
            bx, by = xs[start:start + batch], ys[start:start + batch]
            p = bx @ coef.T + intercept
            if classes > 2:
                sides = numpy.where(by[:, None] == numpy.arange(classes), 1, -1)
            else:
                sides = (numpy.where(by == 1, 1, -1) if classes else by)[:, None]
            seen.append(losses(loss, p, sides).sum(axis=1).mean())
            model.partial_fit(bx, by, **({"classes": numpy.arange(classes)} if classes else {}))
            coef, intercept = numpy.atleast_2d(model.coef_).copy(), numpy.atleast_1d(model.intercept_).copy()
    tx, ty = (x[test] - mean) / scale, y[test]
    if classes:
        correct = int((model.predict(tx) == ty).sum())
        score = {"accuracy": correct / len(test), "n_correct": correct}
    else:
        score = {"rmse": float(numpy.sqrt(((model.predict(tx) - ty) ** 2).mean()))}
    wanted = {str(step): seen[step - 1] for step in (1, 10, 100) if step <= len(seen)}
    name = f"small-{target}-{loss}-b{batch}-{'shuffled' if shuffle else 'in-order'}"
    result = {
        "format": "earlystop-sklearn-parity/1",
        "name": name,
        "made_with": {"scikit-learn": sklearn.__version__, "numpy": numpy.__version__, "threads": 1},
        "dataset": {"name": "small", "file": "small.arff.gz", "synthetic": True, "n_rows_in_file": ROWS, "target": target,
                    "dropped_columns": [c for c in ("number", *(f"class{n}" for n in (2, 3, 10, 19))) if c != target],
                    "labels": labels, "n_features": FEATURES},
        "loss": loss,
        "params": {"alpha": alpha, "eta0": eta0, "learning_rate": "constant", "penalty": "l2", "shuffle": shuffle,
                   "random_state": random_state, "average": False, "fit_intercept": True},
        "batch_size": batch, "epochs": epochs, "n_steps": len(seen),
        "train_rows": train.tolist(), "test_rows": test.tolist(),
        "scaler": {"mean": mean.tolist(), "scale": scale.tolist()},
        "batch_loss_before_update": {**wanted, "last": seen[-1], "sum_of_all_steps": sum(seen)},
        "coef": coef.tolist(), "intercept": intercept.tolist(), "test": score,
    }
    (folder / f"{name}.json").write_text(json.dumps(result) + "\n")


def main():
    folder = pathlib.Path(sys.argv[1])
    x, number, digit = data()
    lines = ["@relation small"] + [f"@attribute x{i} numeric" for i in range(FEATURES)] + ["@attribute number real"]
    lines += [f"@attribute class{n} {{{','.join(DIGITS[:n])}}}" for n in (2, 3, 10, 19)] + ["@data"]
    for i in range(ROWS):
        fields = [*(repr(float(v)) for v in x[i]), repr(float(number[i])), *(str(digit[i] % n) for n in (2, 3, 10, 19))]
        lines.append(",".join(fields))
    with gzip.GzipFile(folder / "small.arff.gz", "wb", mtime=0) as file:
        file.write(("\n".join(lines) + "\n").encode())
    for batch, random_state in ((1, None), (7, 0), (63, None), (100, 1234)):
        case(folder, "squared_error", 0, batch, 6, 0.01, 0.02, random_state)
    for classes in (2, 3, 10, 19):
        for loss in ("hinge", "log_loss"):
            case(folder, loss, classes, 2, 4, 0.3, 0.05, None)
            case(folder, loss, classes, 16, 25, 0.001, 0.1, 42)
    case(folder, "log_loss", 3, 5, 3, 20.0, 0.05, None)  # alpha * eta0 = 1: the weights are zeroed before each row


main()
