package edgekit.classifier

import android.content.Context
import android.graphics.Bitmap
import java.io.Closeable
import java.io.FileNotFoundException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import kotlin.math.exp
import kotlin.math.ln
import kotlin.math.max
import org.json.JSONObject
import org.tensorflow.lite.Interpreter

/** A class and its probability. */
data class Scored(val label: String, val probability: Double)

/**
 * top: all classes, best first. accepted: whether the largest output reaches the operating threshold; null if none
 * was chosen. calibrated: the best class's probability after the temperature; null if none was fitted.
 */
data class Answer(val top: List<Scored>, val accepted: Boolean?, val calibrated: Double?)

/**
 * The classifier of this module. It is not thread-safe: use one for each thread.
 *
 * @throws IllegalStateException the model in the assets is not the one that metadata.json describes.
 */
class Classifier(context: Context, threads: Int = 1) : Closeable {
    private val assets = context.assets
    private val metadata = JSONObject(String(asset("metadata.json"), Charsets.UTF_8))
    private val name = metadata.getJSONObject("bundle").getString("model")
    private val entry = metadata.getJSONObject("artifacts").getJSONObject(name)
    private val input = entry.getJSONArray("inputs").getJSONObject(0)
    private val output = entry.getJSONArray("outputs").getJSONObject(0)
    private val preprocessing = metadata.getJSONObject("preprocessing")
    private val interpreter: Interpreter

    /** The names of the classes in the order of the outputs. */
    val classes: List<String> =
        metadata.getJSONArray("classes").let { names -> List(names.length()) { names.getString(it) } }

    init {
        val content = asset(name)
        check(sha256(content) == entry.getString("sha256")) { "assets/edgekit/$name is not the file of metadata.json" }
        val model = ByteBuffer.allocateDirect(content.size).order(ByteOrder.nativeOrder())
        model.put(content)
        model.rewind()
        interpreter = Interpreter(model, Interpreter.Options().setNumThreads(threads))
        interpreter.allocateTensors()
    }

    /** The answer for an image of any size (ARGB_8888), which is stretched to the model's size. */
    fun classify(picture: Bitmap): Answer = answer(run(tensor(picture)))

    /** The answer for a mono clip: `clipSamples` amplitudes in [-1, 1] at the sample rate of metadata.json. */
    fun classify(clip: FloatArray): Answer = answer(run(tensor(clip)))

    /** How many amplitudes of a clip [classify] expects. */
    val clipSamples: Int get() = input.getJSONArray("shape").getInt(1)

    /** The input tensor for an image. */
    fun tensor(picture: Bitmap): ByteBuffer {
        check(preprocessing.getString("kind") == "image") { "this model expects clips" }
        val shape = preprocessing.getJSONArray("shape")
        val channels = shape.getInt(2)
        val argb = IntArray(picture.width * picture.height)
        picture.getPixels(argb, 0, picture.width, 0, 0, picture.width, picture.height)
        val rgb = ByteArray(argb.size * 3) { (argb[it / 3] shr (16 - 8 * (it % 3))).toByte() }
        val colored = if (channels == 1) Preprocessing.gray(rgb) else rgb
        val tallFirst = preprocessing.getBoolean("tall_first")
        val fitted = Preprocessing.resize(
            colored, picture.height, picture.width, channels, shape.getInt(0), shape.getInt(1), tallFirst
        )
        val range = preprocessing.getJSONArray("range")
        val low = range.getDouble(0).toFloat()
        val high = range.getDouble(1).toFloat()
        return filled(fitted.size) { Preprocessing.real(fitted[it], low, high) }
    }

    /** The input tensor for a clip. */
    fun tensor(clip: FloatArray): ByteBuffer {
        check(entry.has("waveform")) { "this model does not accept a waveform" }
        require(clip.size == clipSamples) { "expected $clipSamples amplitudes, found ${clip.size}" }
        return filled(clip.size) { clip[it] }
    }

    /** The model's output tensor for an input tensor. */
    fun run(tensor: ByteBuffer): ByteBuffer {
        val result = ByteBuffer.allocateDirect(classes.size * width(output)).order(ByteOrder.nativeOrder())
        tensor.rewind()
        interpreter.run(tensor, result)
        result.rewind()
        return result
    }

    /** The numbers of an output tensor: integers as they are, or floats. */
    fun numbers(result: ByteBuffer): DoubleArray {
        result.rewind()
        return DoubleArray(classes.size) {
            when (output.getString("dtype")) {
                "float32" -> result.float.toDouble()
                "int8" -> result.get().toDouble()
                "uint8" -> (result.get().toInt() and 255).toDouble()
                "int16" -> result.short.toDouble()
                else -> throw IllegalStateException("output type ${output.getString("dtype")}")
            }
        }
    }

    /** The answer given by an output tensor. */
    fun answer(result: ByteBuffer): Answer {
        val scale = output.getDouble("scale")
        val real = numbers(result).map { if (scale == 0.0) it else (it - output.getInt("zero_point")) * scale }
        val logits = metadata.getJSONObject("output").getString("kind") == "logits"
        val p = if (logits) softmax(real) else real
        val order = p.indices.sortedByDescending { p[it] }
        val calibration = entry.optJSONObject("calibration")
        var calibrated: Double? = null
        if (calibration != null && calibration.getBoolean("fitted")) {
            val floor = if (calibration.isNull("floor")) java.lang.Double.MIN_NORMAL else calibration.getDouble("floor")
            calibrated = softmax(p.map { ln(max(it, floor)) / calibration.getDouble("temperature") })[order[0]]
        }
        val accepted = entry.optJSONObject("operating")?.let {
            !it.isNull("threshold") && p[order[0]] >= it.getDouble("threshold")
        }
        return Answer(order.map { Scored(classes[it], p[it]) }, accepted, calibrated)
    }

    override fun close() = interpreter.close()

    private fun filled(count: Int, real: (Int) -> Float): ByteBuffer {
        val tensor = ByteBuffer.allocateDirect(count * width(input)).order(ByteOrder.nativeOrder())
        val scale = input.getDouble("scale").toFloat()
        for (i in 0 until count) {
            Preprocessing.put(real(i), tensor, input.getString("dtype"), scale, input.getInt("zero_point"))
        }
        return tensor
    }

    private fun width(spec: JSONObject): Int = when (spec.getString("dtype")) {
        "float32" -> 4
        "int16" -> 2
        else -> 1
    }

    private fun asset(name: String): ByteArray = try {
        assets.open("edgekit/$name").use { it.readBytes() }
    } catch (error: FileNotFoundException) {
        throw IllegalStateException("assets/edgekit/$name is missing", error)
    }

    companion object {
        internal fun sha256(content: ByteArray): String =
            MessageDigest.getInstance("SHA-256").digest(content).joinToString("") { "%02x".format(it) }

        private fun softmax(logits: List<Double>): List<Double> {
            val most = logits.fold(logits.first()) { a, b -> max(a, b) }
            val powers = logits.map { exp(it - most) }
            val sum = powers.sum()
            return powers.map { it / sum }
        }
    }
}
