"""What a user writes without edgekit: a small CNN in plain Keras with augmentation and early stopping, then int8 by TFLite.

    python benchmarks/plain_keras.py DATA.npz CPU_SECONDS OUT.tflite

DATA.npz: x_train, y_train. Training ends when validation no longer improves or the CPU time is spent. See small_data.py.
"""

import sys
import time

import keras
import numpy as np
import tensorflow as tf

data, seconds, out = np.load(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
x, y = data["x_train"], data["y_train"].astype("int64")
x = x.astype("float32") / 255 if x.dtype == np.uint8 else x
order = np.random.default_rng(0).permutation(len(x))
held = max(10, len(x) // 10)
val, train = order[:held], order[held:]
keras.utils.set_random_seed(0)
layers, classes = keras.layers, int(y.max()) + 1
image = keras.Input(x.shape[1:])
h = layers.RandomContrast(0.2)(layers.RandomTranslation(0.1, 0.1)(image))
for filters in (16, 32, 64):
    h = layers.MaxPooling2D()(layers.Conv2D(filters, 3, padding="same", activation="relu")(h))
h = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(layers.Conv2D(64, 3, padding="same", activation="relu")(h)))
model = keras.Model(image, layers.Dense(classes, activation="softmax")(h))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
began = time.process_time()
spent = keras.callbacks.LambdaCallback(
    on_epoch_end=lambda epoch, logs: setattr(
        model, "stop_training", model.stop_training or time.process_time() - began > seconds
    )
)
best = keras.callbacks.EarlyStopping(patience=50, restore_best_weights=True)
model.fit(
    x[train],
    y[train],
    batch_size=32,
    epochs=100_000,
    validation_data=(x[val], y[val]),
    callbacks=[best, spent],
    verbose=0,
)
converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([x[i : i + 1]] for i in train[:200])
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
with open(out, "wb") as file:
    file.write(converter.convert())
