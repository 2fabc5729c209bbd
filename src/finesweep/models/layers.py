"""The parts of DistilBERT as Keras layers.

Between the embeddings and the head a batch travels as one matrix of shape (batch × length, dim):
every dense layer is then a single matrix product, and only attention folds the batch open again.
Source of the architecture: ``transformers.models.distilbert`` and Sanh et al., arXiv 1910.01108.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from finesweep.models.config import LAYER_NORM_EPSILON, DistilBertConfig
from finesweep.models.functional import Tensor, activate, attention_weights, layer_norm, relu
from finesweep.models.products import batched, batched_transposed, dense

_SIXTEEN_BITS = 2**16


def require_positions(length: Any, config: DistilBertConfig) -> None:
    """Refuse more tokens a text than the checkpoint has positions, where their number is known.

    Inside a graph that takes batches of any length it is not known before the batch is there.
    """
    most = config.max_position_embeddings
    if isinstance(length, int) and length > most:
        raise ValueError(
            f"expected at most {most} tokens a text, the positions this checkpoint has, "
            f"received {length}; tokenize with truncation=True and a max_length"
        )


class Dropout(keras.layers.Layer):
    """Inverted dropout that draws from the generator all layers of a model share.

    One shared generator makes a model's randomness a single small state, which a trial can set
    from its seed and a resume point can store. Sixteen random bits decide about a number: half the
    time of a draw in float32, and the rate is met to within 1 in 65,536.
    """

    def __init__(self, rate: float, seeds: keras.random.SeedGenerator, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seeds = seeds
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """``inputs`` with a share of their numbers set to 0 and the rest scaled up."""
        if not training or self.rate == 0.0:
            return inputs
        # Never all of the bits' values: what is dropped for certain could not be scaled up.
        dropped = min(round(self.rate * _SIXTEEN_BITS), _SIXTEEN_BITS - 1)
        kept = self._random_bits(tf.shape(inputs)) >= tf.constant(dropped, tf.uint16)
        scale = _SIXTEEN_BITS / (_SIXTEEN_BITS - dropped)
        return inputs * (tf.cast(kept, inputs.dtype) * scale)

    def _random_bits(self, shape: Tensor) -> Tensor:
        """Uniform uint16 of ``shape``, four from each word that the generator is asked for."""
        count = tf.reduce_prod(shape)
        seed = tf.cast(self.seeds.next(), tf.int32)
        words = tf.random.stateless_uniform(
            [(count + 3) // 4], seed, minval=None, maxval=None, dtype=tf.uint64
        )
        return tf.reshape(tf.reshape(tf.bitcast(words, tf.uint16), (-1,))[:count], shape)


class LayerNorm(keras.layers.LayerNormalization):
    """Layer normalisation of each row of a matrix, (rows, dim), with DistilBERT's epsilon."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(epsilon=LAYER_NORM_EPSILON, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """``inputs``, each row with mean 0 and variance 1, then scaled and shifted."""
        scale, shift = (tf.cast(weight.value, tf.float32) for weight in (self.gamma, self.beta))
        normalised: Tensor = layer_norm(inputs, scale, shift)
        return normalised


class Dense(keras.layers.Dense):
    """A dense layer for the rows of a matrix, (rows, width) to (rows, units), built at once.

    ``narrow_kernel`` may be set to a copy of the kernel in the precision of products, by who keeps
    one and traces a graph with it; without it the kernel is cast.
    """

    def __init__(
        self,
        units: int,
        width: int,
        config: DistilBertConfig,
        seeds: keras.random.SeedGenerator,
        name: str,
        dtype: Any,
    ) -> None:
        super().__init__(
            units,
            kernel_initializer=keras.initializers.RandomNormal(
                stddev=config.initializer_range, seed=seeds
            ),
            name=name,
            dtype=dtype,
        )
        with tf.init_scope():
            self._zeros = tf.zeros(width, self.compute_dtype)
        self.narrow_kernel: tf.Variable | None = None
        self.build((None, width))

    def call(self, inputs: Tensor) -> Tensor:
        """``inputs`` times the kernel, plus the bias."""
        bias = tf.convert_to_tensor(self.bias.value)
        return dense(inputs, self.kernel_in_products(), bias, self._zeros)

    def kernel_in_products(self) -> Tensor:
        """The kernel in the precision of products, (width, units); inside of a layer's ``call``."""
        kept = self.narrow_kernel
        return tf.convert_to_tensor(self.kernel.value if kept is None else kept)


class Embeddings(keras.layers.Layer):
    """Token plus position embeddings, normalised: (batch, length) ids to (batch × length, dim)."""

    def __init__(
        self, config: DistilBertConfig, seeds: keras.random.SeedGenerator, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.config = config
        normal = keras.initializers.RandomNormal(stddev=config.initializer_range, seed=seeds)
        # Looked up in float32 and cast after: casting the table would cost a pass over the whole
        # vocabulary every step, and make its gradient dense.
        self.word_table = self.add_weight(
            shape=(config.vocab_size, config.dim),
            initializer=normal,
            autocast=False,
            name="word_embeddings",
        )
        self.position_table = self.add_weight(
            shape=(config.max_position_embeddings, config.dim),
            initializer=normal,
            autocast=False,
            name="position_embeddings",
        )
        self.norm = LayerNorm(name="LayerNorm", dtype=self.dtype_policy)
        self.norm.build((None, config.dim))
        self.dropout = Dropout(config.dropout, seeds, dtype=self.dtype_policy)
        self.built = True

    def call(self, input_ids: Tensor, training: bool = False) -> Tensor:
        """The vectors of all tokens of the batch, one a row."""
        length = ops.shape(input_ids)[1]
        require_positions(length, self.config)
        # From the variable itself: an op of Keras would read, and so copy, the whole table first.
        words = tf.gather(self.word_table.value, input_ids)
        positions = self.position_table[:length]
        hidden = ops.reshape(words + positions, (-1, self.config.dim))
        hidden = ops.cast(hidden, self.compute_dtype)
        return self.dropout(self.norm(hidden), training=training)


class SelfAttention(keras.layers.Layer):
    """Multi-head attention of each text to itself, on (batch × length, dim).

    Query, key and value come from one product with the three kernels side by side.
    """

    def __init__(
        self, config: DistilBertConfig, seeds: keras.random.SeedGenerator, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.head_dim = config.dim // config.n_heads
        self._heads = (config.n_heads, self.head_dim)
        self.qkv = Dense(3 * config.dim, config.dim, config, seeds, "qkv_lin", self.dtype_policy)
        self.out = Dense(config.dim, config.dim, config, seeds, "out_lin", self.dtype_policy)
        self.dropout = Dropout(config.attention_dropout, seeds, dtype=self.dtype_policy)
        self.built = True

    def call(
        self, hidden: Tensor, visible: Tensor, training: bool = False, first_only: bool = False
    ) -> Tensor:
        """``visible``, boolean (batch, 1, 1, length), says which tokens may be attended to.

        With ``first_only`` the first token of each text alone attends, to all of them: one row a
        text comes out.
        """
        attend = self._of_first if first_only else self._of_all
        return self.out(attend(hidden, visible, training))

    def _of_all(self, hidden: Tensor, visible: Tensor, training: bool) -> Tensor:
        """What every token gathers from its text, (batch × length, dim)."""
        batch, length = ops.shape(visible)[0], ops.shape(visible)[3]
        parts = ops.reshape(self.qkv(hidden), (batch, length, 3, *self._heads))
        query, key, value = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)))
        scores = tf.matmul(query * (self.head_dim**-0.5), key, transpose_b=True)
        weights = self._weights(scores, visible, training)
        context = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return ops.reshape(context, (-1, self.config.dim))

    def _of_first(self, hidden: Tensor, visible: Tensor, training: bool) -> Tensor:
        """What each text's first token gathers from it, (batch, dim).

        No token's key or value is computed: a score is q·(Wx) = (qW)·x, and a sum of values is W
        times the sum of what they are made of, so both kernels meet one vector a text and head
        instead of every token. The bias of the keys adds the same to all scores of a query, which
        a softmax does not see.
        """
        batch, length = ops.shape(visible)[0], ops.shape(visible)[3]
        tokens = ops.reshape(hidden, (batch, length, self.config.dim))
        query_kernel, *kernels = ops.split(self.qkv.kernel_in_products(), 3, axis=1)
        query_bias, _, value_bias = ops.split(self.qkv.bias, 3)
        key_kernel, value_kernel = (self._by_head(kernel) for kernel in kernels)

        query = self._by_head(ops.matmul(tokens[:, 0], query_kernel) + query_bias)
        sought = tf.matmul(query * (self.head_dim**-0.5), key_kernel, transpose_b=True)
        scores = batched_transposed(ops.transpose(sought, (1, 0, 2)), tokens)
        weights = self._weights(scores, visible[:, 0], training)
        gathered = ops.transpose(batched(weights, tokens), (1, 0, 2))
        context = ops.transpose(ops.matmul(gathered, value_kernel), (1, 0, 2))
        # Dropped weights no longer sum to 1, and so a text has that much of the bias.
        share = ops.sum(weights, axis=-1, keepdims=True)
        context = context + share * ops.reshape(value_bias, self._heads)
        return ops.reshape(context, (batch, self.config.dim))

    def _by_head(self, matrix: Tensor) -> Tensor:
        """(rows, dim) as (heads, rows, head_dim)."""
        return ops.transpose(ops.reshape(matrix, (-1, *self._heads)), (1, 0, 2))

    def _weights(self, scores: Tensor, visible: Tensor, training: bool) -> Tensor:
        """How much each token counts, from ``scores`` of shape (batch, heads, …, length)."""
        return self.dropout(attention_weights(scores, visible), training=training)


class TransformerBlock(keras.layers.Layer):
    """Attention and feed-forward, each added to its input and normalised after."""

    def __init__(
        self, config: DistilBertConfig, seeds: keras.random.SeedGenerator, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.attention = SelfAttention(config, seeds, name="attention", dtype=policy)
        self.attention_norm = LayerNorm(name="sa_layer_norm", dtype=policy)
        self.attention_norm.build((None, config.dim))
        self.widen = Dense(config.hidden_dim, config.dim, config, seeds, "lin1", policy)
        self.narrow = Dense(config.dim, config.hidden_dim, config, seeds, "lin2", policy)
        self.config = config
        self.dropout = Dropout(config.dropout, seeds, dtype=policy)
        self.output_norm = LayerNorm(name="output_layer_norm", dtype=policy)
        self.output_norm.build((None, config.dim))
        self.built = True

    def call(
        self, hidden: Tensor, visible: Tensor, training: bool = False, first_only: bool = False
    ) -> Tensor:
        """``hidden`` after one layer; ``visible`` and ``first_only`` as in ``SelfAttention``."""
        attended = self.attention(hidden, visible, training=training, first_only=first_only)
        if first_only:
            shape = ops.shape(visible)
            hidden = ops.reshape(hidden, (shape[0], shape[3], self.config.dim))[:, 0]
        hidden = self.attention_norm(attended + hidden)
        widened = activate(self.widen(hidden), self.config.activation, training=training)
        narrowed = self.dropout(self.narrow(widened), training=training)
        return self.output_norm(narrowed + hidden)


class ClassificationHead(keras.layers.Layer):
    """From the vector of the first token, (batch, dim), to logits, (batch, labels), in float32."""

    def __init__(
        self, config: DistilBertConfig, seeds: keras.random.SeedGenerator, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.pre_classifier = Dense(
            config.dim, config.dim, config, seeds, "pre_classifier", self.dtype_policy
        )
        self.dropout = Dropout(config.seq_classif_dropout, seeds, dtype=self.dtype_policy)
        # The last product is tiny and the loss is computed from it: full precision costs nothing.
        self.classifier = Dense(
            config.num_labels, config.dim, config, seeds, "classifier", "float32"
        )
        self.built = True

    def call(self, first_token: Tensor, training: bool = False) -> Tensor:
        """Logits of each text."""
        pooled = relu(self.pre_classifier(first_token))
        pooled = self.dropout(pooled, training=training)
        return self.classifier(ops.cast(pooled, "float32"))
