"""Custom Keras layers, used by the audio transformers; `of(keras)` creates and registers them.

They are classes of one Keras module, so they can be created only after the backend is chosen: the backend, which is above this
module, calls `of`, so that every .keras file with such layers can be read. All convert to int8 operators with a dynamic
batch size.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

Shape = tuple[int | None, ...]
_PACKAGE = "edgekit"
_SPREAD = 0.02  # standard deviation of positions and tokens at the start (timm's Vision Transformer)


@cache
def of(keras: Any) -> SimpleNamespace:
    """LayerNorm, Dense, Positions, Patchout, ClassTokens, FirstTokens, TokenAttention: classes of `keras`, registered."""
    class_tokens, first_tokens = _tokens(keras)
    return SimpleNamespace(
        LayerNorm=_layer_norm(keras),
        Dense=_dense(keras),
        Positions=_positions(keras),
        Patchout=_patchout(keras),
        ClassTokens=class_tokens,
        FirstTokens=first_tokens,
        TokenAttention=_token_attention(keras),
    )


def _registered(keras: Any) -> Any:
    """The decorator by which Keras finds a class of ours again when it reads a file."""
    return keras.saving.register_keras_serializable(package=_PACKAGE)


def _layer_norm(keras: Any) -> Any:
    ops = keras.ops

    @_registered(keras)
    class LayerNorm(keras.layers.LayerNormalization):  # type: ignore[misc]  # the base class is known at run time only
        """Layer normalization over the last axis (Ba et al. 2016, arXiv 1607.06450), d = x - mean: d / sqrt(mean(d^2) + eps).

        The converter keeps the NEG of Keras' own formula in float; this one becomes int8 operators only.
        """

        def __init__(self, epsilon: float = 1e-6, **kwargs: Any) -> None:
            super().__init__(epsilon=epsilon, **kwargs)

        def call(self, inputs: Any) -> Any:
            x = ops.cast(inputs, "float32")
            difference = ops.subtract(x, ops.mean(x, axis=-1, keepdims=True))
            variance = ops.mean(ops.multiply(difference, difference), axis=-1, keepdims=True)
            x = ops.multiply(difference, ops.rsqrt(ops.add(variance, self.epsilon)))
            return ops.cast(ops.add(ops.multiply(x, self.gamma), self.beta), self.compute_dtype)

    return LayerNorm


def _dense(keras: Any) -> Any:
    ops = keras.ops

    @_registered(keras)
    class Dense(keras.layers.Dense):  # type: ignore[misc]
        """Keras' Dense for tokens, (N, L, D) -> (N, L, units): one product of N L rows.

        From Keras' own, TensorFlow makes a tensordot, whose shape arithmetic the converter keeps as eight operators for a dynamic
        batch. The class has Keras' name, weights and configuration, so that code for Dense recognizes it.
        """

        def call(self, inputs: Any, training: bool | None = None) -> Any:
            length, width = inputs.shape[1:]
            rows = super().call(ops.reshape(inputs, (-1, width)), training=training)
            return ops.reshape(rows, (-1, length, self.units))

    return Dense


def _positions(keras: Any) -> Any:
    ops = keras.ops

    @_registered(keras)
    class Positions(keras.layers.Layer):  # type: ignore[misc]
        """Adds a learned vector for each place of a grid of patches: (N, T, F, D) -> (N, T, F, D).

        One `table` (1, T, F, D), or with `separate` a table of times (1, T, 1, D) and one of frequencies (1, 1, F, D), added
        (Koutini et al. 2022, arXiv 2110.05069, section 2).
        """

        def __init__(self, separate: bool = False, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.separate = separate

        def build(self, input_shape: Shape) -> None:
            _, times, frequencies, width = input_shape
            shapes = {"table": (1, times, frequencies, width)}
            if self.separate:
                shapes = {"times": (1, times, 1, width), "frequencies": (1, 1, frequencies, width)}
            self.tables = [
                self.add_weight(shape=shape, name=name, initializer=keras.initializers.TruncatedNormal(stddev=_SPREAD))
                for name, shape in shapes.items()
            ]

        def call(self, inputs: Any) -> Any:
            # The tables first: the converter folds their sum, which leaves one addition.
            return ops.add(inputs, sum(self.tables[1:], self.tables[0]))

        def compute_output_shape(self, input_shape: Shape) -> Shape:
            return tuple(input_shape)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "separate": self.separate}

    return Positions


def _patchout(keras: Any) -> Any:
    ops = keras.ops

    @_registered(keras)
    class Patchout(keras.layers.Layer):  # type: ignore[misc]
        """A grid of patches as tokens, of which training uses a random part: (N, T, F, D) -> (N, T F, D).

        time, frequency: the share of the grid's columns (times) and rows that a training step drops (structured). tokens:
        the share of the remaining patches to drop (unstructured). One draw for the whole batch; the order is kept. Inference uses
        all (Koutini et al. 2022, arXiv 2110.05069, section 2.2).
        """

        def __init__(
            self, time: float = 0.0, frequency: float = 0.0, tokens: float = 0.0, seed: int | None = None, **kwargs: Any
        ) -> None:
            super().__init__(**kwargs)
            if not all(0 <= share < 1 for share in (time, frequency, tokens)):
                raise ValueError(f"shares must be in [0, 1); found {time}, {frequency}, {tokens}")
            self.time, self.frequency, self.tokens = time, frequency, tokens
            self.seed_generator = keras.random.SeedGenerator(seed)

        def build(self, input_shape: Shape) -> None:
            pass

        def call(self, inputs: Any, training: bool | None = None) -> Any:
            _, times, frequencies, width = inputs.shape
            x = inputs
            if training:
                x = self._part(self._part(x, self.time, 1), self.frequency, 2)
                times, frequencies = _kept(times, self.time), _kept(frequencies, self.frequency)
            x = ops.reshape(x, (-1, times * frequencies, width))
            return self._part(x, self.tokens, 1) if training else x

        def _part(self, x: Any, share: float, axis: int) -> Any:
            count = x.shape[axis]
            if (kept := _kept(count, share)) == count:
                return x
            order = ops.argsort(keras.random.uniform((count,), seed=self.seed_generator))
            return ops.take(x, ops.sort(order[:kept]), axis=axis)

        def compute_output_shape(self, input_shape: Shape) -> Shape:
            batch, times, frequencies, width = input_shape
            return batch, (times or 1) * (frequencies or 1), width

        def training_shape(self, input_shape: Shape) -> Shape:
            """The output's shape in a training step."""
            batch, times, frequencies, width = input_shape
            left = _kept(times or 1, self.time) * _kept(frequencies or 1, self.frequency)
            return batch, _kept(left, self.tokens), width

        def get_config(self) -> dict[str, Any]:
            shares = {"time": self.time, "frequency": self.frequency, "tokens": self.tokens}
            return {**super().get_config(), **shares}

    return Patchout


def _tokens(keras: Any) -> tuple[Any, Any]:
    ops = keras.ops

    class Counted(keras.layers.Layer):  # type: ignore[misc]
        """Base of the next two: a number of tokens."""

        def __init__(self, count: int = 2, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.count = count

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "count": self.count}

    @_registered(keras)
    class ClassTokens(Counted):
        """`count` learned tokens, their positions included, before the others: (N, L, D) -> (N, count + L, D)."""

        def build(self, input_shape: Shape) -> None:
            start = keras.initializers.TruncatedNormal(stddev=_SPREAD)
            self.tokens = self.add_weight(shape=(1, self.count, input_shape[-1]), name="tokens", initializer=start)

        def call(self, inputs: Any) -> Any:
            shape = (ops.shape(inputs)[0], self.count, inputs.shape[-1])
            return ops.concatenate([ops.broadcast_to(ops.cast(self.tokens, inputs.dtype), shape), inputs], axis=1)

        def compute_output_shape(self, input_shape: Shape) -> Shape:
            batch, length, width = input_shape
            return batch, (length or 0) + self.count, width

    @_registered(keras)
    class FirstTokens(Counted):
        """The first `count` tokens: (N, L, D) -> (N, count, D)."""

        def call(self, inputs: Any) -> Any:
            return inputs[:, : self.count]

        def compute_output_shape(self, input_shape: Shape) -> Shape:
            return input_shape[0], self.count, input_shape[-1]

    return ClassTokens, FirstTokens


def _token_attention(keras: Any) -> Any:
    ops = keras.ops

    @_registered(keras)
    class TokenAttention(keras.layers.Layer):  # type: ignore[misc]
        """Attention of `heads` heads without weights: softmax(Q K^T / sqrt(D / heads)) V (Vaswani et al. 2017, arXiv 1706.03762).

        Query (N, L, D), key and value (N, M, D) -> (N, L, D). The projections are separate Dense layers around it, so
        that code for Dense layers works on a transformer.
        """

        def __init__(self, heads: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.heads = heads

        def build(self, query_shape: Shape, key_shape: Shape, value_shape: Shape) -> None:
            if (query_shape[-1] or 0) % self.heads:
                raise ValueError(f"a width of {query_shape[-1]} is not a multiple of {self.heads} heads")

        def call(self, query: Any, key: Any, value: Any) -> Any:
            width = query.shape[-1]
            q, k, v = (self._split(x) for x in (query, key, value))
            scores = ops.multiply(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))), (width // self.heads) ** -0.5)
            mixed = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), v), (0, 2, 1, 3))
            return ops.reshape(mixed, (-1, query.shape[1], width))

        def _split(self, x: Any) -> Any:
            x = ops.reshape(x, (-1, x.shape[1], self.heads, x.shape[2] // self.heads))
            return ops.transpose(x, (0, 2, 1, 3))

        def compute_output_shape(self, query_shape: Shape, key_shape: Shape, value_shape: Shape) -> Shape:
            return tuple(query_shape)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "heads": self.heads}

    return TokenAttention


def _kept(count: int, share: float) -> int:
    return max(1, count - round(share * count))
