package edgekit.classifier

import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min

/**
 * Images as in training, bit for bit: Pillow's BILINEAR, a triangle that is widened when
 * shrinking, in fixed point with 22 bits, each pass rounded to a byte. No Android class is used here.
 */
object Preprocessing {
    private const val BITS = 22

    /**
     * (height, width, channels) bytes in C order -> (toHeight, toWidth, channels), first along the rows. tallFirst:
     * pictures whose height shrinks by more than twice what their width shrinks by are resized along the columns
     * first (Pillow 13).
     */
    fun resize(
        pixels: ByteArray,
        height: Int,
        width: Int,
        channels: Int,
        toHeight: Int,
        toWidth: Int,
        tallFirst: Boolean
    ): ByteArray {
        if (tallFirst && height - toHeight > max(0, 2 * (width - toWidth))) {
            val columns = along(pixels, 1, height, width * channels, toHeight)
            return along(columns, toHeight, width, channels, toWidth)
        }
        val rows = along(pixels, height, width, channels, toWidth)
        return along(rows, 1, height, toWidth * channels, toHeight)
    }

    /** `outer` times: the axis of `length` groups of `inner` bytes becomes one of `wanted` groups. */
    private fun along(x: ByteArray, outer: Int, length: Int, inner: Int, wanted: Int): ByteArray {
        if (length == wanted) return x
        val result = ByteArray(outer * wanted * inner)
        val scale = length.toDouble() / wanted
        val reach = max(scale, 1.0)
        for (place in 0 until wanted) {
            val center = (place + 0.5) * scale
            val first = max((center - reach + 0.5).toInt(), 0)
            val last = min((center + reach + 0.5).toInt(), length)
            val weights = weights(first, last, center, reach)
            for (o in 0 until outer) for (i in 0 until inner) {
                var sum = 1L shl (BITS - 1)
                for (j in first until last) {
                    sum += weights[j - first] * (x[(o * length + j) * inner + i].toInt() and 255)
                }
                result[(o * wanted + place) * inner + i] = min(max(sum shr BITS, 0L), 255L).toByte()
            }
        }
        return result
    }

    private fun weights(first: Int, last: Int, center: Double, reach: Double): LongArray {
        val real = DoubleArray(last - first) { max(0.0, 1.0 - abs((first + it - center + 0.5) * (1.0 / reach))) }
        val total = real.sum()
        return LongArray(real.size) { (0.5 + real[it] / total * (1 shl BITS)).toLong() }
    }

    /** Red, green, blue -> gray by ITU-R 601, as Pillow does it. */
    fun gray(rgb: ByteArray): ByteArray = ByteArray(rgb.size / 3) {
        val red = rgb[3 * it].toInt() and 255
        val green = rgb[3 * it + 1].toInt() and 255
        val blue = rgb[3 * it + 2].toInt() and 255
        ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) shr 16).toByte()
    }

    /** round(real / scale) + zeroPoint, half to even, saturated to [least, most]. */
    fun quantize(real: Float, scale: Float, zeroPoint: Int, least: Int, most: Int): Int {
        val whole = Math.rint((real / scale).toDouble()) + zeroPoint
        return min(max(whole, least.toDouble()), most.toDouble()).toInt()
    }

    /** A pixel as a real number in the model's input range. */
    fun real(pixel: Byte, low: Float, high: Float): Float {
        val unit = (pixel.toInt() and 255).toFloat() / 255f
        return if (low == 0f && high == 1f) unit else unit * (high - low) + low
    }

    /** Puts real numbers into an input tensor of the type `dtype`. */
    fun put(real: Float, into: ByteBuffer, dtype: String, scale: Float, zeroPoint: Int) {
        when (dtype) {
            "float32" -> into.putFloat(real)
            "int8" -> into.put(quantize(real, scale, zeroPoint, -128, 127).toByte())
            "uint8" -> into.put(quantize(real, scale, zeroPoint, 0, 255).toByte())
            "int16" -> into.putShort(quantize(real, scale, zeroPoint, -32768, 32767).toShort())
            else -> throw IllegalArgumentException("input type $dtype")
        }
    }
}
